from __future__ import annotations

import pytest

from ccproxy import errors


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.CcproxyError("x"), 500),
        (errors.RequestError("x"), 400),
        (errors.Unsupported("n", "y"), 400),
        (errors.Unauthorized("x"), 401),
        (errors.Forbidden("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.MethodNotAllowed("x"), 405),
        (errors.TooLarge("x"), 413),
        (errors.UnsupportedMedia("x"), 415),
        (errors.UpgradeRequired("x"), 426),
        (errors.UpstreamError("x"), 502),
        (errors.UpstreamError("x", status=429), 429),
        (errors.Unreachable("x"), 502),
        (errors.TimedOut("x"), 504),
        (errors.Malformed("x"), 502),
        (errors.Broken("x"), 502),
    ],
)
def test_each_error_has_its_status(error: errors.CcproxyError, status: int) -> None:
    assert error.status == status
    assert str(status) in repr(error)


def test_unsupported_names_the_field_and_the_target() -> None:
    error = errors.Unsupported("n", "target", "only one choice")
    assert error.param == "n"
    assert "target" in error.message
    assert "only one choice" in error.message


def test_a_config_error_has_every_problem() -> None:
    assert errors.ConfigError(["a: x", "b: y"]).problems == ("a: x", "b: y")
