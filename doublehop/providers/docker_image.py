"""The images of the docker lab: one for all machines, and one more for each that starts from a provisioned state."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, ImageNotFound
from docker.models.containers import Container

from doublehop import cache
from doublehop.data import LAB
from doublehop.errors import HostError, LabError
from doublehop.providers import Progress, image
from doublehop.topology import ImageSpec

DOCKERFILE = LAB / "docker" / "Dockerfile"
REPOSITORY = "doublehop"


def _key(spec: ImageSpec) -> str:
    return cache.key_of(image.key(spec), DOCKERFILE.read_bytes())


def machine_image(engine: docker.DockerClient, spec: ImageSpec, progress: Progress) -> str:
    """The id of the image of every machine, built from `lab/docker/Dockerfile` the first time."""
    tag = f"{REPOSITORY}/machine:{_key(spec)}"
    with cache.locked(cache.folder() / "docker-machine.lock"):
        found = _find(engine, tag)
        if found is None:
            base = _base(engine, spec, progress)
            progress(f"building the docker image from {base} (once)")
            found = build(engine, spec, base, tag)
        engine.api.tag(found, f"{REPOSITORY}/machine", spec.release, force=True)  # for compose.yaml
        if not _versions_file(spec).exists():
            status = engine.containers.run(tag, ["cat", "/var/lib/dpkg/status"], remove=True, network_mode="none")
            _versions_file(spec).write_text(json.dumps(image.versions_in(status.decode())))
    return found


def build(engine: docker.DockerClient, spec: ImageSpec, base: str, tag: str) -> str:
    """Run the Dockerfile on a base; gives the image's id.

    Raises LabError with the last that the build said.
    """
    try:
        engine.images.build(path=str(LAB), dockerfile=str(DOCKERFILE.relative_to(LAB)), tag=tag,
                            buildargs=_arguments(spec, base), rm=True, forcerm=True)
    except BuildError as failure:
        said = "".join(each.get("stream", "") for each in failure.build_log).splitlines()[-15:]
        raise LabError("the docker image could not be built:\n" + "\n".join([*said, str(failure)])) from failure
    return str(engine.images.get(tag).id)


def _arguments(spec: ImageSpec, base: str) -> dict[str, str]:
    return {"BASE": base, "WITHOUT": " ".join(spec.without), "APT": spec.apt}


def _find(engine: docker.DockerClient, tag: str) -> str | None:
    try:
        return str(engine.images.get(tag).id)
    except ImageNotFound:
        return None


def _base(engine: docker.DockerClient, spec: ImageSpec, progress: Progress) -> str:
    """Debian from a registry, or where none answers the local lab's root filesystem, made from Debian's mirror."""
    public = f"debian:{spec.release}-slim"
    if _find(engine, public) is not None:
        return public
    try:
        engine.images.pull("debian", tag=f"{spec.release}-slim")
    except APIError:
        own = f"{REPOSITORY}/base:{image.key(spec)}"
        if _find(engine, own) is None:
            _check_mmdebstrap(spec)
            root = image.built(spec, progress)
            progress("no image registry answers: taking the local lab's root filesystem for a base (once)")
            bring_root(engine, root, image.key(spec))
        return own
    return public


def bring_root(engine: docker.DockerClient, root: Path, tag: str) -> str:
    """Make an image of a root filesystem, as the base of this tag; gives its id."""
    with image.as_tar(root) as stream:
        answer = engine.api.import_image_from_stream(stream)
    # Podman takes no tag here and tags what has a name as the latest, so it gets its name afterwards.
    made = str(json.loads(answer.splitlines()[-1])["status"])
    engine.api.tag(made, f"{REPOSITORY}/base", tag)
    return made


def _check_mmdebstrap(spec: ImageSpec) -> None:
    if not image.path(spec).exists() and shutil.which("mmdebstrap") is None:
        raise HostError("no image registry answers, and mmdebstrap, which makes the image from Debian's mirror, is "
                        "missing: run `apt-get install mmdebstrap` as root")


def _versions_file(spec: ImageSpec) -> Path:
    return cache.folder() / f"docker-versions-{_key(spec)}.json"


def shown_versions(spec: ImageSpec) -> Mapping[str, str]:
    """What the image has of the programs that matter, once it is built."""
    path = _versions_file(spec)
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def snapshot_image(engine: docker.DockerClient, key: str, build: Callable[[], Container],
                   end: Callable[[Container], None]) -> str:
    """The id of the image under a key; if there is none, of one made of the container that `build` gives."""
    tag = f"{REPOSITORY}/snapshot:{key}"
    found = _find(engine, tag)
    if found is None:
        container = build()
        found = str(container.commit(f"{REPOSITORY}/snapshot", key).id)
        end(container)
    return found
