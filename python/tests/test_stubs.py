import pathlib
import runpy

STUBS = pathlib.Path(__file__).parent.parent / "stubs.py"


def test_the_stubs_are_what_the_list_of_settings_says():
    made = runpy.run_path(STUBS)
    assert made["PATH"].read_text(encoding="utf-8") == made["stub"](), "run python/stubs.py"
