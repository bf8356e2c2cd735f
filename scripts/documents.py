"""What the scripts that make the documents' tables have in common."""
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


class Marked:
    """What stands in a document between the mark of a script and the next end."""

    def __init__(self, path, script):
        self.path, self.begin, self.end = path, f"<!-- begin: scripts/{script} -->", "<!-- end -->"
        before, found, rest = path.read_text().partition(self.begin)
        if not found or self.end not in rest:
            raise SystemExit(f"{path} has no {self.begin} … {self.end}: put the marks where the table is to be")
        self.before = before
        self.inside, _, self.after = rest.partition(self.end)

    def rows(self):
        """The rows of the table between the marks, as lists of cells."""
        return [cells(line) for line in self.inside.strip().splitlines()[2:] if line.startswith("|")]

    def write(self, text):
        self.path.write_text(f"{self.before}{self.begin}\n{text}\n{self.end}{self.after}")
