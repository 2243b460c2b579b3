import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from gristmill import _preload


class InnerImports(unittest.TestCase):
    def test_those_in_indented_lines_are_found(self) -> None:
        source = (
            "import os\ndef f():\n    import a.b, c as d\n\tfrom e.f import g, h as i\n"
            "    from . import (j,\n    important = 1\n"
        )
        found = [("a.b", []), ("c", []), ("e.f", ["g", "h"]), (".", ["j"])]
        self.assertEqual(list(_preload.inner_imports(source)), found)

    def test_what_fails_is_left_and_the_rest_imported_in_turn(self) -> None:
        files = {
            "project/own.py": "def f():\n    import package, no_such_module, unittest.mock\n",
            "site/package/__init__.py": "def f():\n    from . import late\n    import doctest\n",
            "site/package/late.py": "def f():\n    from .later import x\n    import ends\n",
            "site/package/later.py": "x = 1\n",
            "site/ends.py": "raise SystemExit(3)\n",
        }
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
                Path(folder, name).write_text(text)
            code = (
                "import sys, own; from gristmill import _preload;"
                f"_preload.preload({folder + '/project/'!r}, lambda file: file.startswith({folder!r}));"
                "print([name in sys.modules for name in sys.argv[1:]])"
            )
            path = os.pathsep.join([f"{folder}/project", f"{folder}/site", str(Path(__file__).parent.parent / "src")])
            wanted = ["package.late", "package.later", "unittest.mock", "_strptime", "doctest", "ends"]
            done = subprocess.run(
                [sys.executable, "-c", code, *wanted],
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                text=True,
            )
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.strip(), str([True, True, True, True, False, False]))


if __name__ == "__main__":
    unittest.main()
