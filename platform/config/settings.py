"""The one settings module of web, worker, beat and commands. Every variable is explained in `.env.sample`."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import environment as env
from config import mail, task_queues
from config.database_url import database_of
from federation.tasks import TASKS
from realtime.proxies import Proxies

ROOT = Path(__file__).resolve().parent.parent.parent

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY")
PUBLIC_URL = env.text("PUBLIC_URL").rstrip("/")
ALLOWED_HOSTS = env.comma_separated("ALLOWED_HOSTS", urlsplit(PUBLIC_URL).hostname or "")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
MAINTENANCE = env.flag("MAINTENANCE", default=False)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "config.static_files.StaticFiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "lucide",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "audit",
    "accounts",
    "rest",
    "consortia",
    "silos",
    "agreements",
    "plans",
    "registry",
    "training",
    "evidence",
    "monitoring",
    "dashboards",
]

MIDDLEWARE = [
    "config.middleware.RequestIds",
    "config.middleware.BearerTokens",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.ContentSecurityPolicy",
    "config.middleware.Languages",
    "config.middleware.Maintenance",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.SignedIn",
    "config.errors.ProblemPages",
]

ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.l10n"],
        },
    }
]


def _proxies(words: list[str]) -> Proxies:
    if not words and env.flag("BEHIND_TLS_PROXY", default=False):
        raise ImproperlyConfigured(
            "BEHIND_TLS_PROXY alone says of no proxy which one it is. Set TRUSTED_PROXIES to its address instead."
        )
    try:
        return Proxies.named(words)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"TRUSTED_PROXIES lists addresses, networks or the word unix, separated by commas: {error}."
        ) from error


DATABASES = {"default": database_of(env.text("DATABASE_URL"), pool_max=int(env.number("DATABASE_POOL_MAX", 10)))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Anyone who administers something, or is a steward, shows a second factor when signing in.
SIGN_IN_TOTP_REQUIRED = env.flag("SIGN_IN_TOTP_REQUIRED", default=True)
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

# Accounts are made by administrators. Tries are counted in PostgreSQL (accounts.sign_in), hence no limits by the cache.
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_FORMS = {
    "login": "accounts.forms.SignInForm",
    "reset_password": "accounts.forms.PasswordResetRequestForm",
    "reset_password_from_key": "accounts.forms.NewPasswordForm",
}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105 - a class
ACCOUNT_RATE_LIMITS = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_SESSION_REMEMBER = True
MFA_ADAPTER = "accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_FORMS = {
    "authenticate": "accounts.second_factor.forms.SignInCode",
    "reauthenticate": "accounts.second_factor.forms.ConfirmCode",
    "activate_totp": "accounts.second_factor.forms.SetUpForm",
}
# The identity provider of one's organisation, if there is one.
OIDC_ISSUER = env.text("OIDC_ISSUER", "").rstrip("/")
OIDC_NAME = env.text("OIDC_NAME", "your organisation")
SOCIALACCOUNT_ADAPTER = "accounts.adapters.IdentityAdapter"
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_LOGIN_ON_GET = True  # our policy lets no form lead to another origin
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": []}}
if OIDC_ISSUER:
    SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"] = [
        {
            "provider_id": "oidc",
            "name": OIDC_NAME,
            "client_id": env.text("OIDC_CLIENT_ID"),
            "secret": env.text("OIDC_CLIENT_SECRET"),
            "settings": {"server_url": OIDC_ISSUER},
        }
    ]

# E-mails are sent by the workers. Without an address for them, what they would say is shown once to who asked for it.
_email_url = env.text("EMAIL_URL", "console:" if DEBUG else "")
EMAIL_CONFIGURED = bool(_email_url)
globals().update(mail.settings_of(_email_url) if EMAIL_CONFIGURED else {})
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", f"Consilience <noreply@{urlsplit(PUBLIC_URL).hostname}>")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [ROOT / "locale"]
FORMAT_MODULE_PATH = "config.formats"
USE_THOUSAND_SEPARATOR = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env.text("STATIC_ROOT", "") or None
STATICFILES_DIRS = [
    ROOT / "static",
    # Plotly's own bundle comes out of its Python package; the package itself is never imported.
    ("plotly", str(Path(str(find_spec("plotly").origin)).parent / "package_data")),  # type: ignore[union-attr]
]
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
if STATIC_ROOT is not None:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "config.static_files.HashedFiles"},
    }
WHITENOISE_AUTOREFRESH = DEBUG

_secure = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = _secure
CSRF_COOKIE_SECURE = _secure
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
SESSION_ENGINE = "accounts.sessions"
CSRF_FAILURE_VIEW = "config.errors.csrf_failed"
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = _secure and env.flag("SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _secure
SECURE_HSTS_PRELOAD = _secure and env.flag("HSTS_PRELOAD", default=False)
# a promise for the whole domain that is hard to take back: the operator's to make, not a default (see .env.sample)
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
# What proxies say is read in one place, and only from those named here (realtime.proxies). Django reads none itself.
TRUSTED_PROXIES = _proxies(env.comma_separated("TRUSTED_PROXIES"))
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 << 20

# Artefacts and the platform's own keys. The signing key is the worker's alone: web has the public half.
BLOB_ROOT = Path(env.text("BLOB_ROOT"))
PLATFORM_PUBLIC_KEY_FILE = Path(env.text("PLATFORM_PUBLIC_KEY_FILE"))
PLATFORM_SIGNING_KEY_FILE = env.text("PLATFORM_SIGNING_KEY_FILE", "")
UPLOAD_BYTES_MAX = int(env.number("UPLOAD_BYTES_MAX", 1 << 30))
UPLOADS_IN_FLIGHT_BYTES_MAX = int(env.number("UPLOADS_IN_FLIGHT_BYTES_MAX", 4 << 30))

# What one peer may hold: uvicorn itself bounds none of it (realtime.connections).
CONNECTIONS_PER_ADDRESS_MAX = int(env.number("CONNECTIONS_PER_ADDRESS_MAX", 200))
REQUEST_HEAD_WITHIN_S = env.number("REQUEST_HEAD_WITHIN_S", 10)
REQUEST_BODY_WINDOW_S = env.number("REQUEST_BODY_WINDOW_S", 20)
RESPONSE_UNREAD_S = env.number("RESPONSE_UNREAD_S", 60)

# Rounds. A lease is how long a worker may be silent over one step before another takes it.
STEP_LEASE_S = env.number("STEP_LEASE_S", 60)
SWEEP_EVERY_S = env.number("SWEEP_EVERY_S", 2)
HOUSEKEEPING_EVERY_S = env.number("HOUSEKEEPING_EVERY_S", 60)
LONG_POLL_MAX_S = env.number("LONG_POLL_MAX_S", 50)
SILO_SILENT_AFTER_S = env.number("SILO_SILENT_AFTER_S", 180)

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest.permissions.SignedInWithScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest.parsers.PlainJSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "NUM_PROXIES": 0,
    "DEFAULT_SCHEMA_CLASS": "rest.schema.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest.pagination.CursorPage",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["rest.throttling.PerUser", "rest.throttling.PerAddress"],
    "DEFAULT_THROTTLE_RATES": {
        "user": env.text("THROTTLE_USER", "600/min"),
        "anon": env.text("THROTTLE_ANONYMOUS", "60/min"),
    },
    "EXCEPTION_HANDLER": "rest.problems.handle",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
THROTTLE_SILO_PER_MIN = env.number("THROTTLE_SILO_PER_MIN", 12_000)
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Consilience",
    "DESCRIPTION": "Train models together without moving data.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "OrganisationKind": "accounts.models.OrganisationKind",
        "OrganisationRoleName": "accounts.serializers.ROLE_CHOICES",
        "ConsortiumRoleName": "consortia.serializers.ROLE_CHOICES",
        "JobState": "training.transitions.JobState",
        "RoundState": "training.transitions.RoundState",
        "StepState": "training.transitions.StepState",
        "OrderState": "training.transitions.OrderState",
        "SiloState": "silos.transitions.SiloState",
        "SiloHealth": ["unseen", "online", "silent"],
        "TaskEnum": list(TASKS),
        "Wait": "training.waiting.Wait",
        "AgreementState": "agreements.transitions.AgreementState",
        "ParticipationState": "consortia.transitions.ParticipationState",
        "SignatoryKeyState": "accounts.transitions.SignatoryKeyState",
    },
}

WEBHOOK_ALLOW_PRIVATE = env.flag("WEBHOOK_ALLOW_PRIVATE", False)
WEBHOOK_DEADLINE_S = env.number("WEBHOOK_DEADLINE_S", 10)

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 600
CELERY_TASK_TIME_LIMIT = 660
CELERY_DB_REUSE_MAX = 1000  # how many tasks share a pool in `config.celery`; Celery's own way is a pool for each task
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 900}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_ROUTES = task_queues.ROUTES
HOUSEKEEPING_DUTIES = task_queues.HOUSEKEEPING_DUTIES
CELERY_BEAT_SCHEDULE = task_queues.schedule(sweep_every_s=SWEEP_EVERY_S, housekeeping_every_s=HOUSEKEEPING_EVERY_S)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}},
    "filters": {"request_id": {"()": "config.logs.WithRequestId"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        # a line for each task would be two for every sweep; failures are reported all the same
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
