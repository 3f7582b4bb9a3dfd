"""Buttons and slash commands on the Discord stand-in, through the real discord.py."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.discord import DiscordServer
from sandbox.journal import Journal
from tests.sandbox.discord_harness import Client, connected, discord, http


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(Journal()) as running:
        yield running


@pytest.fixture
async def client(server: DiscordServer) -> AsyncIterator[Client]:
    async with connected(server) as ready:
        yield ready


def button() -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Stop", custom_id="stop"))
    return view


async def pressed(server: DiscordServer, client: Client) -> discord.Interaction[discord.Client]:
    """An interaction by Ada's press of the bot's button."""
    general = server.channel("general")
    message = await client.get_channel(int(general)).send("working", view=button())  # type: ignore[union-attr]
    begun = await server.press(general, str(message.id), server.user("ada"), "stop")
    await client.until(lambda: [each for each in client.of("interaction") if str(each.id) == begun])
    return client.of("interaction")[-1]  # type: ignore[no-any-return]


async def test_a_pressed_button_updates_its_message(server: DiscordServer, client: Client) -> None:
    """The interaction knows who pressed what, and an update edits that message."""
    interaction = await pressed(server, client)
    assert interaction.user.display_name == "Ada"
    assert interaction.message is not None
    await interaction.response.edit_message(content="stopped", view=None)
    shown = server.journal.messages("discord", server.channel("general"))
    assert [one.text for one in shown] == ["stopped"]


async def test_a_command_is_deferred_and_answered_later(server: DiscordServer, client: Client) -> None:
    """A registered command's option arrives; "is thinking" is a message which the answer edits."""
    tree = discord.app_commands.CommandTree(client)
    asked: list[str] = []

    @tree.command(name="ask", description="Ask")
    async def ask(interaction: discord.Interaction[discord.Client], text: str) -> None:
        asked.append(text)
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(content="the answer")
        await interaction.followup.send("and more")

    await tree.sync()
    await server.run_command(server.channel("general"), server.user("ada"), "ask", text="why?")
    journal = server.journal
    await journal.until(lambda: len(journal.messages("discord")) == 2)
    first, second = journal.messages("discord")
    assert asked == ["why?"]
    assert [text for _, text in first.versions] == ["", "the answer"]
    assert second.text == "and more"


async def test_an_interaction_is_answered_once_and_in_time(server: DiscordServer, client: Client) -> None:
    """A second answer is 40060, one after 3 s or to an unknown interaction 10062."""
    interaction = await pressed(server, client)
    await interaction.response.send_message("first")
    async with http(server) as api:
        path = f"/interactions/{interaction.id}/{interaction.token}/callback"
        answer = await api("POST", path, json={"type": 4, "data": {"content": "again"}})
        assert (answer[0], answer[1]["code"]) == (400, 40060)
    late = await pressed(server, client)
    server.advance(4)
    with pytest.raises(discord.NotFound) as gone:
        await late.response.send_message("late")
    assert gone.value.code == 10062


async def test_what_only_the_person_sees_is_no_message_of_the_channel(server: DiscordServer, client: Client) -> None:
    """An ephemeral answer is noted and shown to nobody else."""
    interaction = await pressed(server, client)
    await interaction.response.send_message("psst", ephemeral=True)
    assert [entry["text"] for entry in server.journal.of("discord", "ephemeral")] == ["psst"]
    assert [one.text for one in server.journal.messages("discord")] == ["working"]
