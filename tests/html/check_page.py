# Looks at a page in headless Chromium as people will: on a phone, on a screen, on paper; light and dark.
#
# usage: check_page.py --chromium PROGRAM PAGE… [--shots FOLDER]
#
# Prints what is wrong, a line each; exit status 0 if nothing is.
import argparse
import itertools
import os
import pathlib
import sys

import colours
from chromium import Chromium

MEASURE = pathlib.Path(__file__).with_name("measure.js").read_text()

# Width, height, medium, colour scheme.
VIEWS = {
    "phone": (360, 800, "screen", "light"),
    "phone-dark": (360, 800, "screen", "dark"),
    "desktop": (1280, 900, "screen", "light"),
    "desktop-dark": (1280, 900, "screen", "dark"),
    "print": (700, 1000, "print", "light"),  # about what A4 leaves between its margins
}
CLASSES = ["data", "leaf", "l1", "l2", "l3", "l4", "zero", "absent", "none", "again"]
# Those that differ by colour; "absent" and "none" are hatchings on paper.
COLOURS = ["paper", "data", "leaf", "l1", "l2", "l3", "l4", "zero"]
LEAST_CONTRAST = 4.5
LEAST_DIFFERENCE = 12  # CIE76; 2.3 is what an eye can just tell


def wrong_events(events):
    """What a page that is one file, loads nothing and runs nothing does not do."""
    for event in events:
        method, details = event["method"], event["params"]
        if method == "Network.requestWillBeSent" and details["request"]["url"] != details["documentURL"]:
            yield "asks for " + details["request"]["url"]
        elif method == "Log.entryAdded":
            yield "the browser complains: " + details["entry"]["text"]
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            yield "something runs: %s" % details


def wrong_layout(view, found):
    """found: what measure.js says."""
    if found["overflow"] > 0:
        yield "is %d pixels wider than the window" % found["overflow"]
    for what in found["outside"]:
        yield "%s sticks out" % what
    if view == "print":
        for what in found["scrolled"]:
            yield "%s is cut off on paper" % what
    for text, contrast in found["contrasts"]:
        if contrast < LEAST_CONTRAST:
            yield "\"%s\" has a contrast of %.2f" % (text, contrast)
    for class_ in CLASSES:
        if class_ not in found["legend"]:
            yield "the legend lacks " + class_
    for what in found["unnamed"]:
        yield what
    if found["scripts"]:
        yield "has a script"


def alike_colours(page_colours):
    for eyes in colours.EYES:
        for a, b in itertools.combinations(COLOURS, 2):
            difference = colours.difference(page_colours[a], page_colours[b], eyes)
            if difference < LEAST_DIFFERENCE:
                yield "%s and %s look alike (%.0f) to %s eyes" % (a, b, difference, eyes)


def check_view(browser, page, view):
    width, height, medium, scheme = VIEWS[view]
    browser.view(width, height, medium, scheme, scale=2 if width < 600 else 1)
    events = browser.open(page.as_uri())
    found = browser.evaluate("(%s)(%s)" % (MEASURE, COLOURS))
    return [*wrong_events(events), *wrong_layout(view, found), *alike_colours(found["colours"])]


def check(browser, page, shots):
    wrong = []
    for view in VIEWS:
        wrong += ["%s, %s: %s" % (page.name, view, what) for what in check_view(browser, page, view)]
        if shots:
            browser.screenshot(os.path.join(shots, "%s-%s.png" % (page.stem, view)))
    paper = browser.pdf()
    if not paper.startswith(b"%PDF-"):
        wrong.append("%s: does not print" % page.name)
    if shots:
        pathlib.Path(shots, page.stem + ".pdf").write_bytes(paper)
        for eyes in ("protanopia", "deuteranopia", "tritanopia", "achromatopsia"):
            browser.view(1280, 900, vision=eyes)
            browser.screenshot(os.path.join(shots, "%s-%s.png" % (page.stem, eyes)))
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--shots")
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    wrong = []
    with Chromium(arguments.chromium) as browser:
        for page in arguments.pages:
            wrong += check(browser, page.resolve(), arguments.shots)
    for line in wrong:
        print(line)
    print("%d pages, %d views of each: %d complaints" % (len(arguments.pages), len(VIEWS), len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
