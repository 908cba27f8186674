// What the page remembers: in this tab, or in this browser. A browser that stores nothing forgets it on leaving.

function remembering(name) {
  const memory = new Map();
  try {
    const storage = window[name];
    return { get: (key) => storage.getItem(key), set: (key, value) => storage.setItem(key, value) };
  } catch {
    return { get: (key) => memory.get(key) ?? null, set: (key, value) => memory.set(key, value) };
  }
}

export const tab = remembering("sessionStorage");
export const browser = remembering("localStorage");
