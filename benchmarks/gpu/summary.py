"""The results of `benchmarks/gpu.sh` as Markdown."""

from collections.abc import Callable, Sequence
from typing import Any


def summary(results: dict[str, Any]) -> str:
    """The whole summary: the machine, the state of every part, and its table."""
    parts = results["parts"]
    machines = [part["found"]["machine"] for part in parts.values() if (part["found"] or {}).get("machine")]
    lines = ["# GPU benchmark", ""]
    if results["tiny"]:
        lines += ["**A small model on a CPU: a trial of the script, not a measurement.**", ""]
    if machines:
        lines += [", ".join(f"{name} {value}" for name, value in machines[0].items() if value is not None), ""]
    lines += [f"missing ({purpose}): {', '.join(names)}" for purpose, names in results["missing"].items() if names]
    lines += table(["part", "state", "seconds"], [[n, part["state"], part["seconds"]] for n, part in parts.items()])
    for name, part in parts.items():
        lines += ["", f"## {name}", "", *body(name, part)]
    return "\n".join(lines) + "\n"


def body(name: str, part: dict[str, Any]) -> list[str]:
    """The table of a part, its errors, and the end of its log if it did not finish."""
    found, lines = part["found"], []
    if found is None:
        lines.append("No results.")
    elif name == "tests":
        lines.append(", ".join(f"{count} {what}" for what, count in found.items()))
    elif found["entries"]:
        lines += TABLES[name](found["entries"])
    lines += [f"- {error}" for error in (found or {}).get("errors", []) if name != "tests"]
    if part["state"] != "finished" or found is None:
        lines += ["", "```text", *part["last_lines"], "```"]
    return lines


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table."""
    shown = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *shown)]


def _parity(entries: list[dict[str, Any]]) -> list[str]:
    rows = []
    for one in entries:
        if one["kind"] == "logits":
            rows.append([one["shape"], one["dtype"], "logits", f"differ by {one['relative_difference']:.2g}"])
        else:
            found = "equal" if one["equal"] else f"first differ in rows {one['first_difference']} of {one['rows']}"
            rows.append([one["shape"], one["dtype"], f"{one['case']}, {one['path']}", found])
    return table(["shape", "dtype", "what", "stock and ours"], rows)


def _invariance(entries: list[dict[str, Any]]) -> list[str]:
    rows = [
        [one["dtype"], one["where"], f"{one['equal']} of {one['clips']}", one["first_difference"]] for one in entries
    ]
    return table(["dtype", "where", "equal clips", "first row that differs"], rows)


def _speed(entries: list[dict[str, Any]]) -> list[str]:
    keys = (
        "model",
        "streams",
        "step_ms",
        "best_step_ms",
        "steps_per_second",
        "x_realtime",
        "first_row_ms",
        "memory_gb",
    )
    rows = [[*(one[key] for key in keys), one.get("ours_is_faster_by", "")] for one in entries]
    titles = [
        "model",
        "streams",
        "ms a step",
        "best",
        "steps/s",
        "x realtime",
        "ms to first row",
        "peak GB",
        "ours x stock",
    ]
    return [
        *table(titles, rows),
        "",
        *(f"- {one['streams']} streams: {one['step']}" for one in entries if "step" in one),
    ]


def _profile(entries: list[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for one in entries:
        shares = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in one["shares"].items())
        replays = ", ".join(f"{ms:.2f} ms at row {row}" for row, ms in one["replay_ms"].items())
        lines += [
            f"**{one['slots']} slots:** {one['launches']:.0f} launches a step, {one['us']:.0f} µs: {shares}.",
            "",
        ]
        lines += [f"A step as it runs: {replays}. {one['report']['mode']}, {one['report']['attention']}.", ""]
        longest = [
            [row["kernel"].replace("|", "/"), row["launches"], row["us"], row["share"]] for row in one["longest"]
        ]
        lines += [*table(["kernel", "launches", "µs", "share"], longest), ""]
    return lines


TABLES: dict[str, Callable[[list[dict[str, Any]]], list[str]]] = {
    "parity": _parity,
    "invariance": _invariance,
    "speed": _speed,
    "profile": _profile,
}
