"""What the scripts that make the documents' tables have in common."""
import functools
import json
import os
import re
import statistics
import subprocess
import sys
import tomllib


class Problem(Exception):
    """What is wrong, where, and what to do: a sentence."""


def script(main):
    """A script's `main` whose problems are told in a sentence, with exit code 2, and which Ctrl-C ends in silence."""

    @functools.wraps(main)
    def told():
        try:
            main()
        except Problem as problem:
            print(f"error: {problem}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            sys.exit(130)

    return told


def call(*command, captured=True):
    """Run a program: what it prints on stdout, or nothing where that is not `captured`."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=captured, text=True)
    except OSError as error:
        raise Problem(f"cannot run {words[0]}: {error.strerror}") from None
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        told = done.stderr.strip().splitlines() if captured else []
        raise Problem(f"`{' '.join(words[:4])} …` failed: {told[-1].removeprefix('error: ') if told else 'see above'}")
    return done.stdout


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def read(path):
    """A file's text."""
    try:
        return path.read_text()
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from None


def read_json(path):
    """What a file of JSON holds."""
    try:
        return json.loads(read(path))
    except ValueError as error:
        raise Problem(f"{path} is no whole JSON file ({error}); remove it, and run again what makes it") from None


class Run:
    """A finished run's folder."""

    def __init__(self, folder):
        self.folder = folder
        try:
            self.settings = tomllib.loads(read(folder / "config.toml"))
            self.summary = read_json(folder / "summary.json")
            self.metrics = [json.loads(line) for line in read(folder / "metrics.jsonl").splitlines()]
            self.metrics[-1]["accuracy"]
        except (ValueError, LookupError) as error:
            raise Problem(f"{folder} is no whole run folder: {error}; remove it, or train it anew") from None

    def machine(self):
        """What it was trained on, and by how much of that."""
        if self.summary["backend"] != "cpu":
            return self.summary["adapter"], ""
        vectors, threads = self.summary["driver"].split(", ")
        return "CPU", f"{'1 core' if threads == '1 thread' else threads.replace('thread', 'core')}, {vectors}"

    def held_out(self):
        """Accuracy of the last network on held-out samples, in %."""
        return 100 * self.metrics[-1]["accuracy"]


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


FIGURE = re.compile(r"[\d.,]+ ± [\d.,]*\d")
BEGIN, END = "<!-- begin: scripts/", "<!-- end -->"


def block(of, text):
    """What a script puts into a document, between its marks; `of` is the script and what it is told."""
    return f"{BEGIN}{of} -->\n{text}\n{END}"


class Document:
    """A document with blocks that scripts make."""

    def __init__(self, path):
        self.path, self.text, self.blocks = path, read(path), {}
        within = None
        for number, line in enumerate(self.text.splitlines(), 1):
            begins = line.startswith(BEGIN)
            if within and begins or not within and line.startswith(END):
                raise Problem(f"{path}:{number}: this mark does not follow its other; every `{BEGIN}…` needs one `{END}`, each on a line of its own")
            if begins:
                within = line.removeprefix(BEGIN).removesuffix(" -->")
                if within in self.blocks:
                    raise Problem(f"{path}:{number}: there is a block of scripts/{within} already; one of the two can be changed alone, so keep one")
                self.blocks[within] = []
            elif line.startswith(END):
                within = None
            elif within:
                self.blocks[within].append(line)
        if within:
            raise Problem(f"{path}: the block of scripts/{within} has no `{END}`")

    def of(self, script):
        """What `script` is told in its blocks here."""
        told = [of.removeprefix(script).strip() for of in self.blocks if of.split()[0] == script]
        return told or self.lack(script)

    def rows(self, of):
        """The rows of the table that stands in a block, as lists of cells."""
        lines = self.blocks[of] if of in self.blocks else self.lack(of)
        return [cells(line) for line in [line for line in lines if line.startswith("|")][2:]]

    def lack(self, of):
        raise Problem(f"{self.path} has no block of scripts/{of}: put the lines `{BEGIN}{of} -->` and `{END}` where a table is to be")

    def put(self, of, text):
        """Put `text` in the place of what stands in a block."""
        if of not in self.blocks:
            self.lack(of)
        old = "\n".join([f"{BEGIN}{of} -->", *self.blocks[of], END])
        self.text = self.text.replace(old, block(of, text))
        self.blocks[of] = text.splitlines()

    def unmade(self):
        """Figures with a spread that the text tells and no block has, each with its line: a table was made anew, and what is said of it was not."""
        made = {figure for lines in self.blocks.values() for line in lines for figure in FIGURE.findall(line)}
        within = False
        for number, line in enumerate(self.text.splitlines(), 1):
            within = line.startswith(BEGIN) or within and not line.startswith(END)
            yield from ((number, figure) for figure in FIGURE.findall(line) if not within and figure not in made)

    def write(self):
        for number, figure in self.unmade():
            print(f"note: {self.path}:{number} tells {figure}, which no table there has; say it anew", file=sys.stderr)
        part = self.path.with_suffix(".part")
        part.write_text(self.text)
        part.replace(self.path)
