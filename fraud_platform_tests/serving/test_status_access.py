"""Who may see `/status`, and how a browser comes in."""

import base64

from msgspec.structs import replace

from fraud_platform.settings import Serving, Settings
from fraud_platform_tests.serving.keyed import bearer, key
from fraud_platform_tests.serving.parts import Deploy, Start


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def test_it_is_for_admins_who_may_come_in_a_browser(
    settings: Settings, deploy: Deploy, start: Start
) -> None:
    deploy(settings)
    admin, reader = key(settings, "admin"), key(settings, "predict", "model:read")
    cut = {"Authorization": "Basic !"}
    with start(settings) as client:
        expected = [
            ({}, 401),
            (bearer(admin), 200),
            ({"X-API-Key": admin}, 200),
            (basic("me", admin), 200),
            (basic("", admin), 200),
            (basic(admin, ""), 401),
            (basic("me", admin[:-1]), 401),
            (basic("me", reader), 403),
            (bearer(reader), 403),
            (cut, 401),
        ]
        given = [client.get("/status", headers=headers).status_code for headers, _ in expected]
        challenge = client.get("/status").headers["www-authenticate"]
        elsewhere = client.get("/metrics", headers=basic("me", admin))
        public = [client.get("/schema", headers=basic("me", admin)) for _ in range(30)]

    assert given == [status for _, status in expected]
    assert challenge.startswith('Basic realm="predictflow", charset="UTF-8", Bearer realm=')
    # A browser that was let in here sends its password everywhere: it is neither taken nor wrong.
    assert elsewhere.status_code == 401
    assert elsewhere.headers["www-authenticate"].startswith("Bearer")
    assert {answer.status_code for answer in public} == {200}


def test_with_an_admin_port_it_is_there_alone(settings: Settings, start: Start) -> None:
    settings = replace(settings, serving=Serving(admin_port=9100))
    with start(settings) as client:
        assert client.get("/status").status_code == 404
        assert client.get("http://testserver:9100/status").status_code == 200
