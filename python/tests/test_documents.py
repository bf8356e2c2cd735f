"""The scripts that make the documents' tables: what they refuse, and that what they put in stays in its place."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
documents = pytest.importorskip("documents", reason="the scripts lie in the repository, not in the package")

TEXT = """before
<!-- begin: scripts/a.py one -->
| x |
| --- |
| 1 |
<!-- end -->
between
<!-- begin: scripts/a.py two -->
old
<!-- end -->
after
"""


def told(*command):
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_block_is_replaced_and_all_else_stays(tmp_path):
    path = tmp_path / "d.md"
    path.write_text(TEXT)
    document = documents.Document(path)
    assert document.of("a.py") == ["one", "two"] and document.rows("a.py one") == [["1"]]
    document.put("a.py two", "new\nlines")
    document.write()
    assert path.read_text() == TEXT.replace("old", "new\nlines")
    assert documents.Document(path).blocks["a.py two"] == ["new", "lines"]


@pytest.mark.parametrize("gone", ["<!-- end -->\nbetween", "<!-- begin: scripts/a.py two -->\n", "old\n<!-- end -->"])
def test_a_forgotten_mark_is_refused(tmp_path, gone):
    path = tmp_path / "d.md"
    path.write_text(TEXT.replace(gone, "between" if "between" in gone else ""))
    with pytest.raises(documents.Problem, match="d.md"):
        documents.Document(path)


def test_two_blocks_of_one_name_are_refused(tmp_path):
    path = tmp_path / "d.md"
    path.write_text(TEXT.replace("a.py two", "a.py one"))
    with pytest.raises(documents.Problem, match="d.md:8: .*already"):
        documents.Document(path)


def test_figures_that_no_table_has_are_told(tmp_path, capsys):
    path = tmp_path / "d.md"
    path.write_text(TEXT.replace("| 1 |", "| 2.50 ± 0.10 |").replace("between", "2.50 ± 0.10, 2.50 ± 0.1 and 1,314 ± 117."))
    documents.Document(path).write()
    told = capsys.readouterr().err
    assert told.count("note:") == 2 and f"{path}:7 tells 2.50 ± 0.1," in told and "1,314 ± 117," in told


@pytest.mark.parametrize("name", ["README.md", "docs/ACCURACY.md", "docs/REPRODUCTION.md", "docs/DATA.md"])
def test_what_the_text_says_with_a_spread_stands_in_a_table(name):
    assert not list(documents.Document(ROOT / name).unmade())


def test_every_documents_blocks_are_of_scripts_that_are_there():
    found = 0
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for of in documents.Document(path).blocks:
            found += 1
            assert (ROOT / "scripts" / of.split()[0]).is_file(), f"{path}: {of}"
    assert found > 10


def test_what_is_not_there_is_told_in_a_sentence(tmp_path):
    scripts = ROOT / "scripts"
    copy = tmp_path / "REPRODUCTION.md"
    copy.write_text((ROOT / "docs/REPRODUCTION.md").read_text())
    nowhere = tmp_path / "nowhere"
    for command, say in [
        (["accuracy.py", nowhere], "there is no folder"),
        (["accuracy.py", tmp_path], "no run folder PRESET-SEED"),
        (["accuracy.py", tmp_path, "--train", "nosuch"], "nosuch.toml"),
        (["luts.py", nowhere], "no run folder PRESET-0"),
        (["reproduction.py", nowhere, "--write", copy], "there is no folder"),
        (["reproduction.py", nowhere, "--run", "nosuch"], "nosuch.toml"),
        (["reproduction.py", nowhere, "--seeds", "0"], "at least 1"),
        (["reproduction.py", nowhere, "--write", nowhere], "cannot read"),
    ]:
        code, said = told(scripts / command[0], *command[1:])
        assert code == 2 and say in said, (command, said)


def test_a_sweep_that_is_half_done_leaves_its_table(tmp_path):
    copy = tmp_path / "REPRODUCTION.md"
    text = (ROOT / "docs/REPRODUCTION.md").read_text()
    copy.write_text(text)
    (tmp_path / "sweeps/cage-scope").mkdir(parents=True)
    code, said = told(ROOT / "scripts/reproduction.py", tmp_path / "sweeps", "--write", copy)
    assert code == 0 and "cage-scope: 0 of 72 runs" in said and copy.read_text() == text
