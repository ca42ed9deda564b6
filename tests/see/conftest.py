"""What the browser tests of pages share: a way to open a page that must stay silent."""

from pathlib import Path

import pytest

PROBES = Path(__file__).parent / "page" / "probes.js"


@pytest.fixture
def visit(browser, tmp_path):
    """Open the page of a drawing or a trace offline; a console message, an error, a request is a failure."""
    contexts, complaints, own = [], [], ("file:", "data:", "blob:")

    def opened(shown, width=1280, height=800, address="", **options):
        path = shown.save(tmp_path / "page.html")
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(path=PROBES)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url[:5] in own or complaints.append(asked.url))
        page.goto(path.as_uri() + address)
        page.wait_for_function("window.clearprop && !clearprop.stage.moving")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
