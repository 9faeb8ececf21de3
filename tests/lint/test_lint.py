#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What lint must refuse, and what it must let pass."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import rules  # noqa: E402
from csource import Source, blank_out  # noqa: E402

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def found(rule, path, text):
    return [(line, what) for line, what in rule(Source(path, SPDX + text))]


def header(body, guard="HEARTH_BASE_X_H"):
    return f"#ifndef {guard}\n#define {guard}\n{body}\n#endif\n"


class Reading(unittest.TestCase):
    def test_comments_and_literals_are_blanked_in_place(self):
        text = 'a /* strcpy( */ "exit(\\"" \'"\' b // system(\nc'
        blank = blank_out(text)
        self.assertEqual(len(blank), len(text))
        self.assertEqual(blank.split(), ["a", '"', '"', "'", "'", "b", "c"])

    def test_function_heads_over_several_lines_are_read(self):
        s = Source("base/x.c", "static int f(int a,\n\t     void (*g)(int, int), char **argv[])\n{\n\treturn a;\n}\n")
        (f, start, end), = s.functions()
        self.assertEqual((f.name, f.line, start, end), ("f", 1, 3, 5))
        self.assertEqual(f.parameter_names(), {"a", "g", "argv"})

    def test_prototypes_are_told_from_other_declarations(self):
        s = Source("base/x.h", "struct a;\ntypedef int (*fn)(int x);\nextern const int t[4];\nstruct a {\n\tint (*f)(int);\n"
                   "};\nstatic inline int i(int x)\n{\n\treturn x;\n}\n\nstruct a *make(int n)\n\t__attribute__((malloc));\n"
                   "DEFINE_CLEANUP(a_free, struct a *)\nenum b kind(void);\n")
        self.assertEqual([(p.name, p.line) for p in s.prototypes()], [("make", 12), ("kind", 15)])


class Floors(unittest.TestCase):
    def test_nothing_includes_upwards(self):
        for path, include in (("base/x.c", "symbolizer/binary.h"), ("symbolizer/x.c", "profiler/window.h"),
                              ("profiler/x.c", "server/cmd/cmd.h"), ("web/x.c", "server/cmd/cmd.h"),
                              ("bpf/x.bpf.c", "base/hash.h"), ("server/x.c", "bpf/sample.h")):
            with self.subTest(path=path):
                self.assertEqual(len(found(rules.floors, path, f'#include "{include}"\n')), 1)

    def test_the_floors_below_and_the_own_folder_are_allowed(self):
        for path, include in (("base/x.c", "base/hash.h"), ("symbolizer/x.c", "bpf/unwind.h"),
                              ("profiler/x.c", "bpf/sample.h"), ("server/http/x.c", "web/assets.h"),
                              ("server/http/x.c", "profiler/window.h"), ("profiler/x.c", "sampler.skel.h")):
            with self.subTest(path=path):
                self.assertEqual(found(rules.floors, path, f'#include "{include}"\n'), [])

    def test_includes_are_written_from_the_root(self):
        for include in ("../base/hash.h", "hash.h", "./hash.h"):
            self.assertEqual(len(found(rules.floors, "base/x.c", f'#include "{include}"\n')), 1)

    def test_a_commented_include_is_none(self):
        self.assertEqual(found(rules.floors, "base/x.c", '/* \n#include "server/cmd/cmd.h"\n*/\n'), [])

    def test_foreign_libraries_stay_in_their_rooms(self):
        self.assertEqual(len(found(rules.floors, "server/http/x.c", "#include <elfutils/libdw.h>\n")), 1)
        self.assertEqual(len(found(rules.floors, "profiler/x.c", "#include <microhttpd.h>\n")), 1)
        self.assertEqual(len(found(rules.floors, "bpf/x.bpf.c", "#include <string.h>\n")), 1)
        self.assertEqual(found(rules.floors, "symbolizer/x.c", "#include <elfutils/libdw.h>\n"), [])
        self.assertEqual(found(rules.floors, "bpf/x.bpf.c", "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n"), [])

    def test_private_headers_stay_in_their_folder(self):
        private = Source("profiler/x.h", SPDX + "/* Private to profiler/. */\n")
        inside = Source("profiler/x.c", SPDX + '#include "profiler/x.h"\n')
        above = Source("server/x.c", SPDX + '#include "profiler/x.h"\n')
        self.assertEqual([(p, n) for p, n, _ in rules.private_headers([private, inside, above])], [("server/x.c", 2)])

    def test_a_skeleton_has_one_user(self):
        users = [Source(f"profiler/{n}.c", SPDX + '#include "sampler.skel.h"\n') for n in "ab"]
        self.assertEqual([p for p, _, _ in rules.one_skeleton(users)], ["profiler/b.c"])
        self.assertEqual(list(rules.one_skeleton(users[:1])), [])
        in_header = Source("profiler/a.h", SPDX + '#include "sampler.skel.h"\n')
        self.assertEqual(len(list(rules.one_skeleton([in_header]))), 1)


class Calls(unittest.TestCase):
    def test_every_banned_function_is_seen(self):
        for name in rules.BANNED:
            with self.subTest(name=name):
                self.assertEqual([line for line, _ in found(rules.banned_calls, "server/x.c", f"x = {name} (a);\n")], [2])

    def test_names_that_only_look_like_it_pass(self):
        text = ("f.system(a);\np->signal(a);\nmy_strcpy(a);\nstrcpy_s;\n/* gets() */\nputs(\"atoi(\");\n"
                "int signal_count;\nsnprintf(a);\n")
        self.assertEqual(found(rules.banned_calls, "server/x.c", text), [])

    def test_strtoul_is_for_the_parser_only(self):
        self.assertEqual(found(rules.banned_calls, "base/parse.c", "strtoul(a, b, 10);\n"), [])
        self.assertEqual(len(found(rules.banned_calls, "base/array.c", "strtoul(a, b, 10);\n")), 1)

    def test_only_main_and_workers_end_the_process(self):
        self.assertEqual(len(found(rules.banned_calls, "server/http/x.c", "exit(1);\nabort();\n")), 2)
        self.assertEqual(found(rules.banned_calls, "server/main.c", "exit(1);\n"), [])
        self.assertEqual(found(rules.banned_calls, "symbolizer/symworker.c", "exit(1);\n"), [])

    def test_libraries_do_not_print(self):
        for call in ('printf("x");', 'fprintf(stderr, "x");', 'fputs("x", stdout);', "perror(x);"):
            with self.subTest(call=call):
                self.assertEqual(len(found(rules.silent_libraries, "profiler/x.c", call + "\n")), 1)
                self.assertEqual(found(rules.silent_libraries, "server/x.c", call + "\n"), [])
        self.assertEqual(found(rules.silent_libraries, "profiler/x.c", 'fprintf(file, "x");\n'), [])


class Headers(unittest.TestCase):
    def test_an_undocumented_prototype_is_refused(self):
        self.assertEqual([line for line, _ in found(rules.documented, "base/x.h", "\nint f(int a);\n")], [3])
        self.assertEqual(len(found(rules.documented, "base/x.h", "/* plain */\nint f(int a);\n")), 1)
        self.assertEqual(len(found(rules.documented, "base/x.h", "/** Does. */\n\nint f(int a);\n")), 1)

    def test_named_parameters_exist(self):
        text = "/**\n * Does @b to @a.\n *\n * @ret: the \"@MARK@\" of me@home\n */\nint f(struct a *a, int b,\n      int **ret);\n"
        self.assertEqual(found(rules.documented, "base/x.h", text), [])
        wrong = found(rules.documented, "base/x.h", text.replace("int b", "int c"))
        self.assertEqual(len(wrong), 1)
        self.assertIn("@b", wrong[0][1])

    def test_the_guard_follows_the_path(self):
        self.assertEqual(found(rules.guarded, "base/x.h", header("")), [])
        self.assertEqual(len(found(rules.guarded, "base/x.h", header("", "X_H"))), 1)


class Sizes(unittest.TestCase):
    def test_long_files_are_refused(self):
        self.assertEqual(len(found(rules.short, "base/x.c", "\n" * 450)), 1)
        self.assertEqual(found(rules.short, "base/x.c", "\n" * 449), [])
        self.assertEqual(len(found(rules.short, "base/x.h", "\n" * 200)), 1)

    def test_long_functions_are_refused(self):
        for lines, wanted in ((68, 0), (69, 1)):
            text = "static void f(void)\n{\n" + "\tx();\n" * lines + "}\n"
            self.assertEqual(len(found(rules.short, "base/x.c", text)), wanted)

    def test_six_parameters_are_too_many(self):
        self.assertEqual(len(found(rules.short, "base/x.c", "int f(int a, int b, int c, int d, int e, int g)\n{\n}\n")), 1)
        self.assertEqual(len(found(rules.short, "base/x.h", "int f(int a, int b, int c, int d, int e, int g);\n")), 1)
        self.assertEqual(found(rules.short, "base/x.c", "int f(int a, int (*b)(int, int, int), int c, int d, int e)\n{\n}\n"), [])


class State(unittest.TestCase):
    def test_mutable_globals_are_refused_in_libraries(self):
        for text in ("static int count;\n", "static struct a all[4];\n", "int shared = 1;\n",
                     "static const char *name_of(int i)\n{\n\treturn 0;\n}\n\nstatic int last = {\n\t0,\n};\n"):
            with self.subTest(text=text):
                self.assertEqual(len(found(rules.no_globals, "base/x.c", text)), 1)
        for text in ("static const int t[] = {\n\t1,\n};\n", "struct a;\nstruct a {\n\tint b;\n};\n", "int f(void)\n{\n\tint a;\n}\n",
                     "DEFINE_CLEANUP(a, struct b *)\n", "static int f(int a);\n", "enum a {\n\tB = 1,\n};\n",
                     "enum {\n\tB = 1,\n};\n"):
            with self.subTest(text=text):
                self.assertEqual(found(rules.no_globals, "base/x.c", text), [])

    def test_typedefs_of_structs_are_refused(self):
        self.assertEqual(len(found(rules.no_typedef_struct, "base/x.c", "typedef struct a a_t;\n")), 1)
        self.assertEqual(found(rules.no_typedef_struct, "base/x.c", "typedef void (*fn)(struct a *a);\n"), [])


class Text(unittest.TestCase):
    def check(self, path, text):
        return [what for _, what in rules.text_rules(path, text)]

    def test_untidy_text_is_refused(self):
        self.assertEqual(len(self.check("a.c", SPDX + "int a; \n")), 1)
        self.assertEqual(len(self.check("a.c", SPDX + "int a;")), 1)
        self.assertEqual(len(self.check("a.c", "int a;\n")), 1)
        self.assertEqual(len(self.check("a.py", "#!/usr/bin/env python3\n# SPDX-License-Identifier: Apache-2.0\n")), 0)
        for word in ("TO" "DO", "FIX" "ME", "XX" "X"):
            self.assertEqual(len(self.check("a.c", SPDX + f"/* {word} later */\n")), 1)


class WholeRun(unittest.TestCase):
    def run_on(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                    f.write(text)
            with open(os.path.join(HERE, "..", "..", ".clang-format"), encoding="utf-8") as f:
                style = f.read()
            with open(os.path.join(root, ".clang-format"), "w", encoding="utf-8") as f:
                f.write(style)
            done = subprocess.run([os.path.join(HERE, "run"), *files], cwd=root, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout

    def test_findings_name_file_and_line_and_fail(self):
        status, out = self.run_on({"base/x.c": SPDX + "int f(void)\n{\n\tgets(0);\n\treturn  1;\n}\n", "tests/x": "#!/bin/bash\nif\n"})
        self.assertEqual(status, 1)
        self.assertIn("base/x.c:4: gets() is banned", out)
        self.assertIn("base/x.c:5: not formatted", out)
        self.assertIn("tests/x:3: bash: syntax error", out)

    def test_a_clean_file_passes(self):
        status, out = self.run_on({"base/x.c": SPDX + "int f(void)\n{\n\treturn 1;\n}\n"})
        self.assertEqual((status, out), (0, "lint: 1 files, no findings\n"))


if __name__ == "__main__":
    unittest.main()
