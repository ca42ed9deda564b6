"""A page in a notebook: in a frame, packed where it is large, and in words where it cannot be shown."""

from __future__ import annotations

import base64
import zlib
from html import escape

from clearprop.see.words import DRAWING

MOST_IN_A_CELL = 1_000_000  # bytes that one result adds to a notebook
_PACKED = 200_000  # from here on a page is compressed; browsers unpack it

_UNPACK = """<script>
(async () => {
  const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const page = await new Response(whole).text();
  document.open(); document.write(page); document.close();
})();
</script>"""

_FROZEN = '<p class="clearprop-frozen">%s</p><style>.clearprop-frozen{display:none}</style>'


def framed(page: str, title: str, height: int, instead: str, language: str = "en") -> str:
    """Return the frame in which a notebook shows a page; a large one is packed and unpacked by the browser.

    A page that takes more than `MOST_IN_A_CELL` bytes when packed is not kept in the notebook: `instead` is
    written, which says how to see it. A notebook from elsewhere, which its reader does not trust yet, is
    shown without frames and without styles: then the sentence that a style hides says what to do.

    >>> "<iframe srcdoc='<p>one</p>'" in framed("<p>one</p>", "One", 300, "too large")
    True
    """
    if len(page) > _PACKED:
        page = _UNPACK % base64.b64encode(zlib.compress(page.encode(), 9)).decode()
    if len(page) > MOST_IN_A_CELL:
        return f"<p>{escape(instead)}</p>"
    kept = page.replace("&", "&amp;").replace("'", "&#39;")  # a page is full of double quotes
    style = f"width:100%;height:{height}px;border:0"
    frame = f'<iframe srcdoc=\'{kept}\' style="{style}" title="{escape(title)}"></iframe>'
    return _FROZEN % DRAWING[language]["frozen"] + frame
