# SPDX-License-Identifier: Apache-2.0
"""
What the rules need to know about a C file, read without a compiler.

The files are laid out by clang-format (checked first), and that is what makes this simple: a function body starts
with a line "{" and ends with a line "}", and everything at file scope starts in column 1.
"""
import re

KEYWORDS_BEFORE_PAREN = {"if", "for", "while", "switch", "return", "sizeof", "typeof", "_Alignof",
                         "__attribute__", "_Static_assert", "defined"}


def blank_out(text):
    """The text with comments and the insides of literals replaced by spaces; lines and columns stay."""
    out = []
    i, n = 0, len(text)
    while i < n:
        two = text[i:i + 2]
        if two == "/*":
            end = text.find("*/", i + 2)
            end = n if end < 0 else end + 2
        elif two == "//":
            end = text.find("\n", i)
            end = n if end < 0 else end
        elif text[i] in "\"'":
            end = literal_end(text, i)
            out.append(text[i] + spaces(text[i + 1:end - 1]) + text[end - 1:end])
            i = end
            continue
        else:
            out.append(text[i])
            i += 1
            continue
        out.append(spaces(text[i:end]))
        i = end
    return "".join(out)


def spaces(text):
    return re.sub(r"[^\n]", " ", text)


def literal_end(text, start):
    i = start + 1
    while i < len(text) and text[i] not in (text[start], "\n"):
        i += 2 if text[i] == "\\" else 1
    return min(i + 1, len(text))


def split_arguments(text):
    """Split at the commas outside of any bracket."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    parts.append(text[start:].strip())
    return [p for p in parts if p and p != "void"]


class Function:
    """A prototype or the head of a definition."""

    def __init__(self, head, line):
        self.line = line
        self.head = " ".join(head.split())
        plain = re.sub(r"__attribute__\s*\(\(.*\)\)|CLEANUP\([a-z_]*\)", "", self.head)
        match = re.match(r"(.*?)\b(\w+)\s*\((.*)\)[^)]*$", plain)
        self.returns = match.group(1).strip() if match else ""
        self.name = match.group(2) if match else ""
        self.parameters = split_arguments(match.group(3)) if match else []

    def parameter_names(self):
        names = set()
        for p in self.parameters:
            pointer = re.search(r"\(\s*\*\s*(\w+)", p)
            last = re.search(r"(\w+)\s*(\[[^\]]*\]\s*)*$", p)
            if pointer or last:
                names.add((pointer or last).group(1))
        return names


class Source:
    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
        self.code = blank_out(text).split("\n")
        self.floor = path.split("/")[0] if "/" in path else ""
        self.is_header = path.endswith(".h")

    def includes(self):
        """(line, name, quoted) of every #include."""
        for number, line in enumerate(self.lines, 1):
            match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if match and self.code[number - 1].strip():
                yield number, match.group(2), match.group(1) == '"'

    def statements(self):
        """(first line, text) of each declaration, prototype or function head at file scope."""
        head, first, continued = [], 0, False
        depth = 0
        for number, line in enumerate(self.code, 1):
            directive = depth == 0 and (continued or line.startswith("#"))
            if directive:
                continued = line.rstrip().endswith("\\")
                head = []
                continue
            if depth == 0 and line.strip() and not head:
                first = number
            if depth == 0 and line.strip():
                head.append(line)
            depth += line.count("{") - line.count("}")
            macro_use = len(head) == 1 and re.match(r"[A-Z_]+\(.*\)\s*$", line)
            if depth == 0 and (macro_use or re.search(r"[;}]\s*$", line)):
                if head:
                    yield first, "\n".join(head)
                head = []
            elif depth > 0 and head and line.rstrip().endswith("{"):
                yield first, "\n".join(head)
                head = []

    def prototypes(self):
        for first, text in self.statements():
            flat = " ".join(text.split())
            if not flat.endswith(";") or "(" not in flat or "=" in flat.split("(")[0]:
                continue
            if re.match(r"(typedef|struct \w+;|enum|union|_Static_assert|DEFINE_CLEANUP|extern \"C\")\b",
                        flat) and not re.match(r"(struct|enum|union) \w+ \*?\w+\s*\(", flat):
                continue
            f = Function(flat[:-1], first)
            if f.name and f.returns:
                yield f

    def functions(self):
        """(Function, first line of the body, last line) of every definition."""
        start = None
        for number, line in enumerate(self.code, 1):
            if line.rstrip() == "{":
                start = number
            elif line.rstrip() == "}" and start:
                head, first = self.head_above(start)
                if "(" in head:
                    yield Function(head, first), start, number
                start = None

    def head_above(self, body):
        number = body - 1
        while number >= 1:
            line = self.code[number - 1]
            if not line.strip() or line.startswith("#") or re.search(r"[;}]\s*$", line):
                break
            number -= 1
        return "\n".join(self.code[number:body - 1]), number + 1

    def comment_above(self, line):
        """Text of the comment that ends on the line above @line, "" if there is none."""
        end = line - 1
        if end < 1 or not self.lines[end - 1].rstrip().endswith("*/"):
            return ""
        start = end
        while start > 1 and "/*" not in self.lines[start - 1]:
            start -= 1
        return "\n".join(self.lines[start - 1:end])

    def calls(self):
        """(line, name, rest of the line) for each call or macro use by its bare name."""
        for number, line in enumerate(self.code, 1):
            for match in re.finditer(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(", line):
                if match.group(1) not in KEYWORDS_BEFORE_PAREN:
                    yield number, match.group(1), line[match.end():]
