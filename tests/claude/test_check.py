"""What is checked at start, and in which words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from bot.claude.client import Claude
from bot.errors import SettingsError
from sandbox.claude import CatalogueModel, ClaudeServer
from sandbox.faults import Fault

NOW = datetime.now(UTC)


def _model(**changes: object) -> CatalogueModel:
    return CatalogueModel("claude-old", "Claude Old", "sonnet", NOW - timedelta(days=700), **changes)  # type: ignore[arg-type]


async def test_all_is_well(claude: Claude) -> None:
    """Current models and a good key bring no warning."""
    assert await claude.check() == []


@pytest.mark.parametrize("variable", ["CLAUDE_MODEL", "CLAUDE_SMALL_MODEL"])
async def test_an_unknown_model(variable: str, make: Callable[..., Claude]) -> None:
    """An unknown model is a wrong setting, named with its variable and with models that exist."""
    claude = make(**{"model" if variable == "CLAUDE_MODEL" else "small_model": "claude-nonesuch"})
    with pytest.raises(SettingsError, match=rf"{variable} is claude-nonesuch.*claude-sonnet-5-5") as error:
        await claude.check()
    assert "\n" not in str(error.value)


async def test_a_wrong_key(make: Callable[..., Claude]) -> None:
    """A refused key is a wrong setting, named without showing it."""
    with pytest.raises(SettingsError, match="ANTHROPIC_API_KEY was refused") as error:
        await make(api_key="sk-ant-wrong").check()
    assert "sk-ant-wrong" not in str(error.value)


async def test_a_key_without_permission(server: ClaudeServer, claude: Claude) -> None:
    """A key that may neither look models up nor ask is a wrong setting too."""
    server.faults.add(Fault("GET /v1/models/*", "status", status=403))
    server.faults.add(Fault("POST /v1/messages", "status", status=403))
    with pytest.raises(SettingsError, match="ANTHROPIC_API_KEY has no permission"):
        await claude.check()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_gateway_without_a_look_up_of_models(status: int, server: ClaudeServer, claude: Claude) -> None:
    """Where only the look-up of models is refused, and a question is answered, that is one warning."""
    server.faults.add(Fault("GET /v1/models/*", "status", status=status, times=None))
    (warning,) = await claude.check()
    assert f"tells nothing about models (status {status})" in warning
    (asked,) = server.asked()
    assert asked["max_tokens"] == 1


async def test_a_model_that_retires_soon(server: ClaudeServer, make: Callable[..., Claude]) -> None:
    """A model that retires within 60 days is a warning with the date; one that retires later is not."""
    day = NOW + timedelta(days=59)
    server.add_model(_model(lifecycle="deprecated", retires_at=day))
    (warning,) = await make(model="claude-old").check()
    assert "CLAUDE_MODEL is claude-old" in warning
    assert f"{day:%Y-%m-%d}" in warning
    server.add_model(_model(lifecycle="deprecated", retires_at=NOW + timedelta(days=62)))
    assert await make(model="claude-old").check() == []


async def test_a_retired_model(server: ClaudeServer, make: Callable[..., Claude]) -> None:
    """A model that is gone is a wrong setting, though the catalogue still lists it."""
    server.add_model(_model(lifecycle="retired"))
    with pytest.raises(SettingsError, match="CLAUDE_MODEL is claude-old, which is retired"):
        await make(model="claude-old").check()


async def test_too_many_tokens(make: Callable[..., Claude]) -> None:
    """A bound above what a model takes is a wrong setting that names the bound."""
    with pytest.raises(SettingsError, match=r"CLAUDE_MAX_TOKENS is 100000.*at most 64000"):
        await make(max_tokens=100_000).check()


@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_an_api_in_trouble_is_a_warning(status: int, server: ClaudeServer, claude: Claude) -> None:
    """An API that cannot answer now does not keep the bot from starting."""
    server.faults.add(Fault("GET /v1/models/*", "status", status=status, times=None))
    warnings = await claude.check()
    assert len(warnings) == 2
    assert all("could not be checked" in warning for warning in warnings)


async def test_an_api_out_of_reach_is_a_warning(server: ClaudeServer, claude: Claude) -> None:
    """Nor does one that cannot be reached."""
    async with server.refusing():
        warnings = await claude.check()
    assert all("No connection to 127.0.0.1" in warning for warning in warnings)
    assert warnings


async def _in_the_api_s_words(request: web.Request) -> web.Response:
    error = {"type": "not_found_error", "message": "Not Found"}
    return web.json_response({"type": "error", "error": error}, status=404)


@pytest.fixture(params=["its own words", "the API's words"])
async def plain(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Some service that knows nothing of models, and says so."""
    app = web.Application()
    if request.param == "the API's words":
        app.router.add_route("*", "/{path:.*}", _in_the_api_s_words)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_service_without_models_is_a_warning(plain: str, make: Callable[..., Claude]) -> None:
    """A gateway that has no look-up of models may still answer messages: a warning, no error, however it says so."""
    warnings = await make(base_url=plain).check()
    assert len(warnings) == 2
    assert all("status 404" in warning for warning in warnings)
