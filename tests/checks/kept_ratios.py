#!/usr/bin/python3
"""What tools/bench --short says of ratios beside those that are kept: one that is too low once or twice is nothing, one that
is too low in three runs is a failure.
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys
import tempfile
import unittest

PATH = str(pathlib.Path(__file__).resolve().parents[2] / "tools/bench")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("bench", PATH)
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
loader.exec_module(bench)


class Kept(unittest.TestCase):
    def compare(self, kept, *runs):
        """Each run: what -> ratio. Exit status, stdout, stderr."""
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for number, ratios in enumerate(runs):
                (folder / f"run{number}").write_text("".join(f"{what}\t{cpu}\t9.00\n" for what, cpu in ratios.items()))
            program = folder / "program"
            program.write_text(f"#!/bin/sh\ncd {folder} && set -- run* && cat $1 && [ $# -eq 1 ] || rm -f $1\n")
            program.chmod(0o700)
            bench.keep(folder / "kept", {what: (cpu, 0) for what, cpu in kept.items()})
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = bench.compare(program, bench.read_kept(folder / "kept"))
            return status, out.getvalue(), err.getvalue()

    def test_a_ratio_of_half_the_kept_one_is_good(self):
        status, out, _ = self.compare({"saved": 1.0}, {"saved": 0.5})
        self.assertEqual(status, 0)
        self.assertRegex(out, r"saved +0\.50 +1\.00 +9\.00\n")
        self.assertEqual(out.count("CPU"), 1, "one run is enough")

    def test_a_ratio_that_is_too_low_in_two_runs_is_measured_again(self):
        status, out, _ = self.compare({"saved": 1.0}, {"saved": 0.4}, {"saved": 0.4}, {"saved": 0.6})
        self.assertEqual(status, 0)
        self.assertEqual(out.count("below half"), 2)

    def test_two_ratios_that_are_too_low_in_turns_are_good(self):
        runs = [{"saved": 0.4, "restored": 1}, {"saved": 1, "restored": 0.4}]
        self.assertEqual(self.compare({"saved": 1.0, "restored": 1.0}, *runs)[0], 0)

    def test_a_ratio_that_is_too_low_in_three_runs_fails_by_its_name(self):
        status, out, err = self.compare({"saved": 1.0, "restored": 1.0}, {"saved": 1, "restored": 0.49})
        self.assertEqual(status, 1)
        self.assertEqual(out.count("below half"), 3)
        self.assertEqual(err, "below half of what is kept in three runs: restored\n")

    def test_what_is_not_kept_cannot_be_compared(self):
        status, _, err = self.compare({"saved": 1.0}, {"saved": 1, "restored": 1})
        self.assertEqual(status, 1)
        self.assertIn("tools/bench --short --keep", err)


if __name__ == "__main__":
    unittest.main()
