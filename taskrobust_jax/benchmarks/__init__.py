"""Side-by-side measurements; each prints ratios and writes JSON."""
