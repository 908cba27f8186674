"""Written English to spoken form: abbreviations, numbers, dates, money, units, symbols, addresses."""
