"""What tests in a browser wait for: no number of milliseconds is enough on every machine."""


def rest(page):
    """Wait until a change of the window was seen, which is so within two frames, and all stands still."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_function("!clearprop.stage.moving && !clearprop.stage.asked")
