"""Values from the spec in the languages of the launch manifests, each quoted by that language's own rules."""

import hashlib
import json
import re
import shlex

import jinja2

from roadtrain.deploy.addresses import bind_address


def template_environment(templates: str) -> jinja2.Environment:
    """Jinja2 with a filter for every place where a value may stand."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        trim_blocks=True,
    )
    env.filters |= {
        "sh": lambda value: shlex.quote(str(value)),
        "yaml": yaml_text,
        "compose": lambda value: yaml_text(compose_dollars(value)),
        "dollar": compose_dollars,
        "dollar_k8s": compose_dollars,  # Kubernetes replaces $(NAME) in env values and arguments, and $$ by $, too
        "bind": bind_address,
        "k8s": dns_label,
        "container": container_name,
        "env": lambda value: shlex.quote(str(value)),
        "comment": lambda value: re.sub(r"[\x00-\x1f\x7f]", " ", str(value)),
    }
    return env


def yaml_text(value: object) -> str:
    """A double-quoted YAML scalar, in ASCII; a quoted one is never read as a boolean. JSON's strings are YAML's but for what
    is beyond 16 bits, which JSON escapes as two halves and YAML as one (`\\U0001F697`): a YAML reader leaves halves apart."""
    return '"' + "".join(f"\\U{ord(c):08X}" if ord(c) > 0xFFFF else json.dumps(c)[1:-1] for c in str(value)) + '"'


def compose_dollars(value: object) -> str:
    """Compose replaces $NAME in values, Kubernetes $(NAME); of both, $$ is a dollar sign."""
    return str(value).replace("$", "$$")


def dns_label(value: str) -> str:
    """A name that Kubernetes takes, for services too (RFC 1035): lower case, digits and dashes, a letter first, at most 63
    characters. Two names have two labels: what had to be changed ends in a hash.
    """
    if re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", value):
        return value
    digest = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:8]
    label = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
    label = label if label[:1].isalpha() else f"roadtrain-{label}"
    return f"{label[:54].strip('-')}-{digest}"


def container_name(value: str) -> str:
    """A name that Docker takes: [a-zA-Z0-9][a-zA-Z0-9_.-]+"""
    name = re.sub(r"[^a-zA-Z0-9_.-]+", "-", value).lstrip("_.-")
    return name if len(name) > 1 else f"roadtrain-{name}"
