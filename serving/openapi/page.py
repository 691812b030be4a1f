"""The pages: the document as JSON, and Swagger UI over it, with nothing loaded from elsewhere."""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from litestar import Response, route
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from serving.openapi.document import document_json
from serving.read import READ

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PredictFlow prediction service</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/schema/page/swagger-ui.css">
<link rel="stylesheet" href="/schema/page/page.css">
</head>
<body>
<div id="page"><noscript>This page needs JavaScript; /schema/openapi.json does not.</noscript></div>
<script src="/schema/page/swagger-ui.js"></script>
<script src="/schema/page/page.js"></script>
</body>
</html>
"""
_SCRIPT = """SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
"""
_STYLE = """body { margin: 0; }
.swagger-ui .wrapper { box-sizing: border-box; }
.swagger-ui .response-col_links { display: none; }
@media (max-width: 640px) {
  .swagger-ui .wrapper { padding: 0 12px; }
  .swagger-ui .responses-inner { padding: 20px 8px; }
  .swagger-ui table tbody tr td:first-of-type { min-width: 0; padding-right: 8px; }
}
"""
_FROM_PACKAGE = {
    "swagger-ui.js": ("offapi/swagger_bundle.js", "text/javascript"),
    "swagger-ui.css": ("offapi/swagger_style.css", "text/css"),
}
_OURS = {"page.js": (_SCRIPT, "text/javascript"), "page.css": (_STYLE, "text/css")}

# Swagger UI's pictures are data: URLs in its style sheet; its requests go to this service alone.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {"Content-Security-Policy": _POLICY}  # in place of the one that all answers have


@route("/schema/openapi.json", http_method=READ, sync_to_thread=False)
def openapi() -> Response[bytes]:
    """The OpenAPI document."""
    return Response(document_json(), media_type="application/vnd.oai.openapi+json")


@route("/schema", http_method=READ, sync_to_thread=False)
def page() -> Response[str]:
    """The page."""
    return Response(_PAGE, media_type="text/html", headers=_HEADERS)


@route("/schema/page/{name:str}", http_method=READ, sync_to_thread=False)
def page_file(name: FromPath[str]) -> Response[bytes]:
    """A script or a style sheet of the page."""
    content, media_type = _file(name)
    headers = _HEADERS | {"Cache-Control": "max-age=3600"}
    return Response(content, media_type=media_type, headers=headers)


@cache
def _file(name: str) -> tuple[bytes, str]:
    if name in _OURS:
        text, media_type = _OURS[name]
        return text.encode(), media_type
    if name in _FROM_PACKAGE:
        # Not imported: that would read eight megabytes of other pages into memory.
        path, media_type = _FROM_PACKAGE[name]
        return Path(str(distribution("offapi").locate_file(path))).read_bytes(), media_type
    raise NotFoundException


HANDLERS: list[Any] = [openapi, page, page_file]
