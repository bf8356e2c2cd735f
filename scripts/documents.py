"""What the scripts that make the documents' tables have in common."""
import re
import statistics


def spread(values, places=2):
    """A mean, and the standard deviation where there are several."""
    if len(values) == 1:
        return f"{values[0]:.{places}f}"
    return f"{statistics.mean(values):.{places}f} ± {statistics.stdev(values):.{places}f}"


def table(head, rows):
    """Lines of cells as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(line):
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def block(of, text):
    """What a script puts into a document, between its marks; `of` is the script and what it is told."""
    return f"<!-- begin: scripts/{of} -->\n{text}\n<!-- end -->"


def blocks(of):
    """A pattern of a script's blocks, `of` being a pattern itself; what stands there is its last group."""
    return re.compile(block(of, "(.*?)"), re.S)


class Marked:
    """The one block of a script in a document, or of what it is told there."""

    def __init__(self, path, of):
        self.path, self.of, self.text = path, of, path.read_text()
        self.found = blocks(re.escape(of)).search(self.text)
        if not self.found:
            raise SystemExit(f"{path} has no block of scripts/{of}: put {block(of, '')!r} where the table is to be")

    def rows(self):
        """The rows of the table between the marks, as lists of cells."""
        return [cells(line) for line in self.found[1].strip().splitlines()[2:] if line.startswith("|")]

    def write(self, text):
        self.path.write_text(self.text[: self.found.start()] + block(self.of, text) + self.text[self.found.end() :])
