# SPDX-License-Identifier: Apache-2.0
"""What acceptance scripts print."""
import traceback


class Table:
    def __init__(self):
        self.failed = 0

    def row(self, item, target, measured, good):
        """One line: item | target | measured | pass or FAIL."""
        clean = [" ".join(str(x).replace("|", "/").split()) for x in (item, target, measured)]
        print(" | ".join([*clean, "pass" if good else "FAIL"]), flush=True)
        self.failed += not good
        return good

    def attempt(self, item, function, *arguments):
        """Run a part; what it raises is its failure, not the end of the script."""
        try:
            function(self, *arguments)
        except Exception as e:  # pylint: disable=broad-except
            last = traceback.extract_tb(e.__traceback__)[-1]
            self.row(item, "runs to its end", f"{type(e).__name__}: {e} ({last.name}, line {last.lineno})"[:300], False)
