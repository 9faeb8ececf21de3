# SPDX-License-Identifier: Apache-2.0
"""Tables of figures for people."""


def show(title, heads, rows):
    """Print aligned columns; the first one to the left, the others to the right."""
    texts = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(heads))]
    print(f"\n{title}")
    for row in texts:
        print("  " + "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())


def mib(count):
    return f"{count / 2**20:.1f} MiB"
