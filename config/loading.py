"""From command line, environment, .env and profile to settings: every layer read, every problem told, before the first connection.

One rule: a setting that is wrong, unknown or missing stops the program with a line that says what to write instead. The first of
command line, environment, .env file, profile and default that gives a value counts; an empty value counts as not given.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.settings import HOSTS, Settings
from domain import Environment
from errors import ConfigError

PREFIXES = ("COINCALL_", "TRADING_", "TRADER_")
_SUFFIX = {Environment.PAPER: "PAPER", Environment.TESTNET: "TEST", Environment.PRODUCTION: "PROD"}
_FIELDS: Mapping[str, str] = {str(field.alias): name for name, field in Settings.model_fields.items()}
_SECRET = frozenset(name for name in _FIELDS if "_API_" in name or name in {"TRADER_JOURNAL_URL", "TRADER_ALERT_URLS"})


def documented_settings() -> tuple[str, ...]:
    """Return the name of every variable, in the order of the manual."""
    return tuple(_FIELDS)


def flag_of(variable: str) -> str:
    """Return the command line's name of a variable: TRADER_STATE_DIR is --state-dir, COINCALL_WS_URL is --coincall-ws-url."""
    return f"--{variable.removeprefix('TRADER_').removeprefix('TRADING_').lower().replace('_', '-')}"


# ---- reading them


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as it was written, and where."""

    text: str
    origin: str


def load_settings(
    overrides: Mapping[str, str],
    env: Mapping[str, str],
    env_file: Path | None = None,
    profile: Path | None = None,
    *,
    live: bool | None = False,
    besides: Callable[[Settings], Iterable[str]] | None = None,
) -> Settings:
    """Read all settings; raise ConfigError with every problem found, one line each.

    `overrides` come from the command line, by variable or by flag_of it; `live` is the explicit word without which production is
    refused. A file that is named must exist; None where there is none. `besides` finds what is wrong that only others can tell.
    """
    problems: list[str] = []
    given: dict[str, _Given] = {}
    for layer in (_profile(profile, problems), _env_file(env_file, problems), _ours(env), _flags(overrides)):
        given.update({name: value for name, value in layer.items() if value.text.strip()})
    problems += [_unknown(name, value) for name, value in given.items() if name not in _FIELDS]
    known = {name: value for name, value in given.items() if name in _FIELDS}
    settings, wrong = _validated(known)
    problems += wrong.values()
    problems += [line for about, line in _contradictions(settings, known, live) if not about & wrong.keys()]
    problems += () if besides is None else besides(settings)
    if problems:
        raise ConfigError(problems)
    return settings


def _validated(given: Mapping[str, _Given]) -> tuple[Settings, Mapping[str, str]]:
    """Return the settings, with defaults in place of wrong values, and a line for each of those."""
    texts = {name: value.text.strip() for name, value in given.items()}
    try:
        return Settings.model_validate(texts), {}
    except ValidationError as error:
        wrong = {str(each["loc"][0]): _wrong(each, given) for each in error.errors()}
    return Settings.model_validate({name: text for name, text in texts.items() if name not in wrong}), wrong


def _wrong(error: ErrorDetails, given: Mapping[str, _Given]) -> str:
    name = str(error["loc"][0])
    allowed = error.get("ctx", {}).get("error", error["msg"])
    return f"{name}={_shown(given[name].text)} ({given[name].origin}): must be {allowed}"


def _shown(text: str) -> str:
    return "'***'" if "@" in text else repr(text)  # an address may hold a password


def _contradictions(settings: Settings, given: Mapping[str, _Given], live: bool | None) -> Iterable[tuple[frozenset[str], str]]:
    """Yield what is wrong with the values taken together: the variables concerned, and the line to tell."""
    environment = settings.environment
    about = frozenset({"TRADING_ENVIRONMENT"})
    if environment is Environment.PRODUCTION and live is False:
        yield about, f"TRADING_ENVIRONMENT=production ({given['TRADING_ENVIRONMENT'].origin}) trades real money: add --live to say so"
    if environment is not Environment.PRODUCTION and live:
        yield about, f"--live is given, but TRADING_ENVIRONMENT is {environment}: set it to production, or leave --live out"
    yield from ((about, line) for line in _missing_keys(environment, given))
    yield from _wrong_hosts(settings, given)
    if settings.max_data_age <= settings.poll_interval:
        names = frozenset({"TRADER_MAX_DATA_AGE_SECONDS", "TRADER_POLL_INTERVAL_SECONDS"})
        yield (
            names,
            (
                f"TRADER_MAX_DATA_AGE_SECONDS ({settings.max_data_age.total_seconds():g}) must be above TRADER_POLL_INTERVAL_SECONDS "
                f"({settings.poll_interval.total_seconds():g}): otherwise no answer is ever fresh enough to open a trade"
            ),
        )
    if (refusal := _unwritable(settings.state_dir)) is not None:
        origin = given["TRADER_STATE_DIR"].origin if "TRADER_STATE_DIR" in given else "default"
        must = "must be a directory that can be created and written to"
        yield frozenset({"TRADER_STATE_DIR"}), f"TRADER_STATE_DIR={str(settings.state_dir)!r} ({origin}): {must} ({refusal})"


def _missing_keys(environment: Environment, given: Mapping[str, _Given]) -> Iterable[str]:
    pair = tuple(f"COINCALL_API_{what}_{_SUFFIX[environment]}" for what in ("KEY", "SECRET"))
    missing = [name for name in pair if name not in given]
    if not missing or (environment is Environment.PAPER and len(missing) == len(pair)):
        return
    chosen = given["TRADING_ENVIRONMENT"].origin if "TRADING_ENVIRONMENT" in given else "default"
    for name in missing:
        yield (
            f"{name} is missing, and TRADING_ENVIRONMENT is {environment} ({chosen}): create an API key at Coincall "
            f"(Account, API Management, right to trade options) and write {name}=... into .env"
        )


def _wrong_hosts(settings: Settings, given: Mapping[str, _Given]) -> Iterable[tuple[frozenset[str], str]]:
    urls = {"COINCALL_BASE_URL": settings.given_base_url, "COINCALL_WS_URL": settings.given_ws_url}
    if settings.embedded and settings.given_ws_url is not None:
        yield (
            frozenset({*urls, "TRADING_ENVIRONMENT"}),
            "COINCALL_BASE_URL is missing: a paper exchange elsewhere needs it beside COINCALL_WS_URL",
        )
    if settings.environment is Environment.PRODUCTION:
        return
    real = {urlsplit(url).hostname for url in (HOSTS[Environment.PRODUCTION].rest, HOSTS[Environment.PRODUCTION].stream)}
    for name, url in urls.items():
        if url is not None and urlsplit(url).hostname in real:
            yield (
                frozenset({name, "TRADING_ENVIRONMENT"}),
                f"{name}={url!r} ({given[name].origin}) is production, but TRADING_ENVIRONMENT is {settings.environment}: they must agree",
            )


def _unwritable(directory: Path) -> str | None:
    probe = directory / ".writable"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _unknown(name: str, value: _Given) -> str:
    near = get_close_matches(name, _FIELDS, n=1, cutoff=0.6)
    return f"{name} ({value.origin}) is not a setting{f'; did you mean {near[0]}?' if near else '; docs/configuration.md lists them all'}"


def _ours(env: Mapping[str, str]) -> dict[str, _Given]:
    return {name: _Given(text, "environment") for name, text in env.items() if name.startswith(PREFIXES)}


def _flags(overrides: Mapping[str, str]) -> dict[str, _Given]:
    variables = {flag_of(name): name for name in _FIELDS}
    named = ((variables.get(name, name), text) for name, text in overrides.items())
    return {name: _Given(text, f"command line, {flag_of(name)}") for name, text in named}


def _env_file(file: Path | None, problems: list[str]) -> dict[str, _Given]:
    """Read a .env file, telling each line that is not NAME=value; lines are named by number, because they may hold secrets."""
    found: dict[str, _Given] = {}
    if (text := _text_of(file, problems)) is None:
        return found
    for binding in parse_stream(StringIO(text)):
        raw = binding.original.string
        line = binding.original.line + raw[: len(raw) - len(raw.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(f"{file} line {line}: not of the form NAME=value (a quote may be open)")
        elif binding.key in found:
            problems.append(f"{file} line {line}: {binding.key} is set again, first at {found[binding.key].origin}; keep one")
        elif binding.key is not None and binding.key.startswith(PREFIXES):
            found[binding.key] = _Given(binding.value or "", f"{file} line {line}")
    return found


def _profile(file: Path | None, problems: list[str]) -> dict[str, _Given]:
    """Read a TOML profile: variables by their names, no tables, no secrets."""
    if (text := _text_of(file, problems)) is None:
        return {}
    try:
        entries = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file}: not TOML: {error}")
        return {}
    for name, value in entries.items():
        if name in _SECRET:
            problems.append(f"{file}: {name} is a secret: it belongs in the environment or in .env, not in a profile")
        elif not isinstance(value, str | int | Decimal) or isinstance(value, bool):
            problems.append(f"{file}: {name} must be a text or a number")
    return {name: _Given(str(value), str(file)) for name, value in entries.items() if isinstance(value, str | int | Decimal)}


def _text_of(file: Path | None, problems: list[str]) -> str | None:
    try:
        return None if file is None else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}")
        return None
