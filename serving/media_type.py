"""What a body may be announced as: JSON in UTF-8, not compressed."""

from collections.abc import Mapping
from http import HTTPStatus

from serving.problems import ProblemError

_UTF_8 = {"", "utf-8", "utf8", "us-ascii", "ascii"}


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raises ProblemError, a 415, where the body is announced as anything else.

    One that isn't announced at all is taken for JSON, as curl and older clients leave that out.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "encoded",
            "The body is compressed",
            "Send the transaction as it is, without the header Content-Encoding",
            {"Accept-Encoding": "identity"},
            field="Content-Encoding",
            value=encoding,
            expectation="identity",
        )
    given = headers.get("content-type", "")
    media_type, *parameters = (part.strip().lower() for part in given.split(";"))
    charset = next((one[8:].strip('"') for one in parameters if one.startswith("charset=")), "")
    known = media_type in {"", "application/json"} or media_type.endswith("+json")
    if not known or charset not in _UTF_8:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "The body is not announced as JSON in UTF-8",
            "Send the transaction with the header Content-Type: application/json",
            field="Content-Type",
            value=given,
            expectation="application/json",
        )
