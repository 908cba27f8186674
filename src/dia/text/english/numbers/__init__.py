"""Numbers and signs as words, by kind: dates, times, money, units, codes, arithmetic."""
