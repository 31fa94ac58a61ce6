"""The iframe page against a page that does what the published element does (BD27 to BD31)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from babel.messages.extract import extract_from_dir
from playwright.async_api import Browser

from opengiro.domain.steps import Step
from opengiro.web.checkout.languages import translations
from opengiro.web.widget import pages
from opengiro.web.widget.embedding import link_code_in, read_embedding
from opengiro.web.widget.wording import STEPS
from tests.banq import Banq
from tests.server import House
from tests.widget.stage import SHOP, Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def heard(stage: Stage) -> list[str]:
    kinds: list[str] = await stage.page.evaluate("heard.map((one) => one.type)")
    return kinds


async def test_the_frame_sizes_itself_and_hands_over_its_settings(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds()
    await frame.locator(".qr svg").wait_for()
    styles = await stage.hears("styles")
    settings = await stage.hears("settings")
    assert set(styles["payload"]) == {"width", "height"}
    assert json.loads(settings["payload"]) == {"language": "en"}
    box = await stage.page.locator("iframe").bounding_box()
    assert box is not None
    assert (box["width"], 400 < box["height"] < 700) == (860, True)
    assert set(await heard(stage)) == {"styles", "settings"}


async def test_success_is_told_under_both_names_and_holds_no_secret(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds()
    await frame.locator(".qr svg").wait_for()
    await stage.pays()
    told = await stage.hears("paymentSuccess")
    payload = {
        "paymentGuid": stage.created["guid"],
        "externalOrderCode": stage.created["externalOrderCode"],
        "status": "completed",
    }
    assert told == {"type": "paymentSuccess", "payload": payload, "origin": banq.house.base_url}
    kinds = [kind for kind in await heard(stage) if kind not in ("styles", "settings")]
    assert kinds == ["successPayment", "paymentSuccess"]
    await frame.get_by_role("heading", name="Paid").wait_for()
    assert await stage.flaws() == []


async def test_a_payment_that_was_refused_is_no_success(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds()
    await frame.locator(".qr svg").wait_for()
    await stage.pays("payment_error")
    await frame.get_by_text("The payment was not made").first.wait_for()
    await frame.locator("[data-done]").click()
    await stage.hears("close")
    assert "successPayment" not in await heard(stage)


@pytest.mark.parametrize("how", ["button", "Escape"])
async def test_leaving_is_told(browser: Browser, banq: Banq, how: str) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds()
    await frame.locator(".qr svg").wait_for()
    if how == "button":
        await frame.get_by_role("button", name="Close").first.click()
    else:
        await frame.locator(".bank").first.press("Escape")
    assert (await stage.hears("close"))["payload"] == {}


async def test_a_page_of_another_origin_than_the_named_one_hears_nothing(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds({"origin": "http://other.test"}, "http://evil.test")
    await frame.get_by_role("heading", name="Choose your bank").wait_for()
    await stage.pays()
    await frame.get_by_role("heading", name="Paid").wait_for()
    assert await heard(stage) == []


async def test_a_forged_message_changes_nothing_in_the_frame(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds()
    await frame.locator(".qr svg").wait_for()
    before = await frame.locator("main").inner_text()
    for kind in ("successPayment", "paymentSuccess", "close", "login", "redirect", "state"):
        await stage.page.evaluate("type => frames[0].postMessage({ type, payload: { state: 'done' } }, '*')", kind)
    await stage.page.evaluate("frames[0].postMessage(null, '*')")
    assert await frame.locator("main").inner_text() == before
    assert set(await heard(stage)) == {"styles", "settings"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"config": {"mode": "pre-register-flow"}}, "There is nothing to sign up for"),
        ({"config": {"mode": "pre-register"}}, "There is nothing to sign up for"),
        ({"config": {"mode": "", "tips": True}}, "Choose your bank"),
    ],
)
async def test_a_mode_without_a_payment_explains_itself(
    browser: Browser, banq: Banq, more: dict[str, Any], says: str
) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds(more)
    await frame.get_by_role("heading", name=says).wait_for()
    assert await stage.flaws() == []
    await frame.get_by_role("button", name="Close").first.click()
    await stage.hears("close")


async def test_a_dark_theme_stays_readable(browser: Browser, banq: Banq) -> None:
    stage = await open_stage(browser, banq)
    frame = await stage.embeds({"config": {"themeMode": "dark"}})
    await frame.locator(".qr svg").wait_for()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert await frame.locator("html").evaluate(f"() => {ground}") == "rgb(19, 29, 49)"
    assert await stage.flaws() == []


async def test_without_registered_origins_any_page_may_frame_it_and_nothing_else_is_loosened(
    house: House, banq: Banq
) -> None:
    created = await banq.get_paid()
    page = await house.http.get(f"{house.base_url}/widget/?{urlencode({'paymentLink': created['url']})}")
    policy = page.headers["content-security-policy"]
    assert policy.endswith("frame-ancestors *; require-trusted-types-for 'script'")
    assert "default-src 'none'; script-src 'nonce-" in policy
    assert "set-cookie" not in page.headers
    assert "x-frame-options" not in page.headers
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_registered_origins_are_the_only_ones_that_frame_and_hear(house: House, banq: Banq) -> None:
    path = f"{house.api}/clients/{house.credentials.client_id}"
    bearer = {"authorization": f"Bearer {house.credentials.config_token}"}
    created = await banq.get_paid()
    await house.http.put(path, json={"config": {"widget_origins": "https://shop.example"}}, headers=bearer)
    try:
        for origin, hears in (("https://shop.example", True), (SHOP, False)):
            query = urlencode({"origin": origin, "paymentLink": created["url"]})
            page = await house.http.get(f"{house.base_url}/widget/?{query}")
            assert "frame-ancestors https://shop.example;" in page.headers["content-security-policy"]
            assert (f'data-page="{origin}"' in page.text) is hears
    finally:
        await house.http.put(path, json={"config": {"widget_origins": ""}}, headers=bearer)


@pytest.mark.parametrize("origin", ["", "null", "*", "javascript:alert(1)", "//shop.test", 'http://"><script>'])
async def test_a_malformed_origin_gives_way_to_the_referrer(origin: str) -> None:
    query = {"origin": origin}
    assert read_embedding(query, "https://shop.example/cart?x=1").page == "https://shop.example"
    assert read_embedding(query, None).page is None


async def test_an_origin_is_printed_as_text_only(house: House, banq: Banq) -> None:
    created = await banq.get_paid()
    query = urlencode({"origin": 'http://"><script>alert(1)</script>', "paymentLink": created["url"]})
    page = await house.http.get(f"{house.base_url}/widget/?{query}")
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    "config", ["", "null", "[]", "{", '{"mode": []}', '{"themeMode": {"a": 1}}', "[" * 3000, '"dark"']
)
async def test_any_configuration_is_answered_with_a_page(house: House, config: str) -> None:
    page = await house.http.get(f"{house.base_url}/widget/?{urlencode({'appConfig': config})}")
    assert page.status_code == 200
    assert re.search(r"no payment behind this link|nothing to sign up for", page.text)


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("https://link.banq.com/qxU6gO79Ajb", "qxU6gO79Ajb"),
        ("https://pay.example/a/qxU6gO79Ajb?h=abc#x", "qxU6gO79Ajb"),
        ("qxU6gO79Ajb", "qxU6gO79Ajb"),
        ("https://link.banq.com/qxU6gO79Aj", None),
        ("https://link.banq.com/qxU6gO79Aj\n", None),
        ("", None),
    ],
)
async def test_a_payment_is_found_by_its_code_on_whichever_host(link: str, code: str | None) -> None:
    assert link_code_in(link) == code


async def test_every_step_has_words() -> None:
    assert set(STEPS) == set(Step)


async def test_a_laptop_called_by_another_of_its_names_still_pays(house: House, browser: Browser, banq: Banq) -> None:
    other = house.base_url.replace("127.0.0.1", "localhost")
    created = await banq.get_paid()
    stage = await open_stage(browser, banq)
    await stage.page.goto(f"{other}/widget/?paymentLink={created['url']}")
    async with stage.context.expect_page() as opening:
        await stage.page.locator(".bank", has_text="Horizon Bleu").click()
    window = await opening.value
    await window.get_by_role("heading", name="Check and continue").wait_for()
    assert window.url.startswith(house.base_url)


async def test_every_sentence_is_translated() -> None:
    room = Path(pages.__file__).parent
    said = translations("fr")
    how: Any = [("templates/**.html", "jinja2"), ("**.py", "python")]
    options: Any = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
    found = [text for _, _, text, _, _ in extract_from_dir(room, how, options, {"_": None, "N_": None})]
    assert len(found) > 30
    untranslated = [text for text in found if isinstance(text, str) and said.gettext(text) == text]
    assert untranslated == []
