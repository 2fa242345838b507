"""Deploy-time settings, read once from the environment; everything a tenant edits is in the store."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SCHEMES = {
    "database_url": ("postgresql://", "postgres://", "postgresql+asyncpg://", "sqlite+aiosqlite://"),
    "redis_url": ("redis://", "rediss://", "unix://"),
    "chroma_url": ("http://", "https://"),
}


class Settings(BaseSettings):
    """What the operator sets; an empty variable counts as unset. README lists each; a test compares."""

    model_config = SettingsConfigDict(env_prefix="CHATAPP_", env_ignore_empty=True, frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", validation_alias="HOST")
    port: int = Field(3000, ge=1, le=65535, validation_alias="PORT")
    public_url: str = ""
    """Address people use, when it is not http://HOST:PORT."""
    web_workers: int = Field(1, ge=1, le=64)
    log_level: str = ""
    """Empty: `warning` on a terminal, `info` elsewhere."""

    data_dir: Path = Path(".data")
    model_dir: Path | None = None
    """Where set-up keeps the embedding model it prepared; empty: `models` in the data folder."""
    database_url: SecretStr = Field(SecretStr(""), validation_alias="DATABASE_URL")
    """Empty: SQLite in the data folder."""
    redis_url: SecretStr = Field(SecretStr(""), validation_alias="REDIS_URL")
    """Empty: limits and turn log live in the one web process."""
    chroma_url: str = Field("", validation_alias="CHROMA_URL")
    """Empty: `serve` starts a server of its own on loopback."""

    secret_key: SecretStr = SecretStr("")
    previous_secret_keys: Annotated[tuple[str, ...], NoDecode] = Field((), repr=False)
    """Secrets this installation had before, separated by commas, the latest first: what they encrypted and sealed is
    still read."""
    admin_email: str = ""
    admin_password: SecretStr = SecretStr("")
    demo: bool = True

    allow_private_providers: bool = False
    allow_private_sign_in: bool = False
    """Whether identity providers may be on private addresses, and on http."""
    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias="OPENAI_API_KEY")
    openai_base_url: str = Field("", validation_alias="OPENAI_BASE_URL")
    openai_model: str = Field("", validation_alias=AliasChoices("OPENAI_MODEL", "CHATAPP_OPENAI_MODEL"))
    ollama_url: str = Field("http://127.0.0.1:11434", validation_alias="OLLAMA_HOST")

    max_upload_bytes: int = Field(100 * 1024 * 1024, ge=1024)
    max_question_characters: int = Field(32_000, ge=100)
    max_documents_tokens: int = Field(3_000, ge=200)
    """Tokens of sources put before the model in one turn."""
    parse_timeout_seconds: float = Field(120.0, gt=0)
    parse_cpu_seconds: int = Field(60, ge=1)
    parse_memory_bytes: int = Field(512 * 1024 * 1024, ge=64 * 1024 * 1024)
    first_token_timeout_seconds: float = Field(60.0, gt=0)
    answer_timeout_seconds: float = Field(300.0, gt=0)
    connect_timeout_seconds: float = Field(5.0, gt=0)
    tenant_concurrent_turns: int = Field(256, ge=1)
    """Answers of a tenant in the making at once, over all processes, where it has no number of its own; more wait."""
    process_concurrent_turns: int = Field(512, ge=1)
    """Answers one web process makes at once; more wait."""
    queue_seconds: float = Field(30.0, gt=0)
    """Longest wait for a place; a question that would wait longer is refused when it is asked."""
    max_loop_lag_seconds: float = Field(0.5, gt=0)
    """How late a web process may be with everything before it refuses questions."""
    session_days: int = Field(14, ge=1)
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Further origins, separated by commas, whose pages may call this installation with the person's cookie."""
    trusted_proxy_hops: int = Field(0, ge=0)
    """How many proxies of our own add to `X-Forwarded-For`; 0: the header is not believed."""

    @field_validator("cors_origins", "previous_secret_keys", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _drop_last_slash(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin.rstrip("/") for origin in value)

    @field_validator("database_url", "redis_url", "chroma_url")
    @classmethod
    def _check_scheme(cls, value: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        address = value.get_secret_value() if isinstance(value, SecretStr) else value
        known = _SCHEMES[info.field_name or ""]
        if address and not address.startswith(known):
            raise ValueError(f"has to begin with {' or '.join(known)}")
        return value

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Origins a browser may call from: the public address, loopback on the same port, and `cors_origins`."""
        url = urlsplit(self.effective_public_url)
        own = (f"{url.scheme}://{url.netloc}", f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}")
        return tuple(dict.fromkeys((*own, *self.cors_origins)))

    @property
    def is_https(self) -> bool:
        """Whether people reach the installation over https, so that cookies can insist on it."""
        return self.effective_public_url.startswith("https://")

    @property
    def secret_key_path(self) -> Path:
        """File of the secret made on first start, when the environment gives none."""
        return self.data_dir / "secret_key"

    @property
    def effective_secret_key(self) -> str:
        """The installation's secret: the environment's, or the one kept in the data folder.

        Raises:
            FileNotFoundError: the environment gives none and the first start has not made one.
        """
        given = self.secret_key.get_secret_value()
        return given or self.secret_key_path.read_text(encoding="ascii").strip()

    @property
    def effective_public_url(self) -> str:
        """The address people use, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def effective_model_dir(self) -> Path:
        """Folder of the prepared embedding model."""
        return self.model_dir or self.data_dir / "models"

    @property
    def effective_database_url(self) -> str:
        """SQLAlchemy's address of the database, with an asynchronous driver."""
        url = self.database_url.get_secret_value()
        if not url:
            return f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'chatapp.db'}"
        for prefix in ("postgresql://", "postgres://"):
            if url.startswith(prefix):
                return "postgresql+asyncpg://" + url.removeprefix(prefix)
        return url


@cache
def get_settings() -> Settings:
    """The process's settings, read from the environment on first use."""
    return Settings()  # pyright: ignore[reportCallIssue]
