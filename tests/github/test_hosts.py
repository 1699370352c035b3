"""Which URLs are GitHub's, and which hosts gh may be sent to. No test here needs an answer."""

from __future__ import annotations

import os

import pytest
from gr2_github.address import address_of, hosts_of_gh
from gr2_github.settings import GitHubSettings
from pydantic import ValidationError

from gr2.api import AuthFailed, NotFound, PullRef
from tests.github.standin.desk import Desk
from tests.github.standin.hub import TOKEN


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/app",
        "https://github.com/acme/app.git",
        "https://github.com/acme/app/",
        "https://github.com:443/acme/app.git",
        "https://GitHub.com/acme/app.git",
        "https://www.github.com/acme/app",
        "http://github.com/acme/app",
        "git://github.com/acme/app.git",
        "git@github.com:acme/app.git",
        "git@github.com:/acme/app.git",
        "github.com:acme/app",
        "ssh://git@github.com/acme/app.git",
        "ssh://git@github.com:22/acme/app.git",
        "ssh://git@ssh.github.com:443/acme/app.git",
    ],
)
def test_every_way_to_write_a_github_url_means_the_same_repository(url: str) -> None:
    found = address_of(url)
    assert found is not None
    assert (found.host, str(found)) == ("github.com", "acme/app")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/git/acme/app.git",
        "./acme/app",
        "../github.com/acme/app",
        "file:///srv/github.com/acme/app.git",
        "https://github.com/acme",
        "https://github.com/acme/app/tree/main",
        "https://github.com/acme/..",
        "https://github.com/-acme/app",
        "https://github.com/acme/app?x=y",
        "https://github.com/ac me/app",
        "https://github.com/{owner}/{repo}",
        "https://git_hub.com/acme/app",
        "ext::sh -c evil github.com/acme/app",
        "git@github.com::acme/app",
        "-oProxyCommand=x:acme/app",
        "git@-oProxyCommand=x:acme/app",
        "git@github.com:acme/app\nx",
    ],
)
def test_what_names_no_repository_is_nobody_s(url: str) -> None:
    assert address_of(url) is None


def test_matches_knows_github_and_the_hosts_gh_is_signed_in_to(desk: Desk) -> None:
    desk.sign_in("github.com", "ghe.example.org")
    adapter = desk.another_adapter()

    assert adapter.matches("https://github.com/acme/app.git")
    assert adapter.matches("git@ghe.example.org:acme/app.git")
    assert not adapter.matches("https://gitlab.example.org/acme/app.git")
    assert not adapter.matches("https://notgithub.com/acme/app.git")
    assert not adapter.matches("https://github.com.example.org/acme/app.git")
    assert not adapter.matches("/srv/github.com/acme/app.git")
    assert desk.hub.count() == 0


def test_configured_hosts_take_the_place_of_gh_s(desk: Desk) -> None:
    desk.sign_in("github.com", "ghe.example.org")
    adapter = desk.another_adapter(hosts=("other.example.org",))

    assert adapter.matches("https://other.example.org/acme/app")
    assert not adapter.matches("https://ghe.example.org/acme/app")
    assert adapter.matches("https://github.com/acme/app")


def test_urls_that_git_rewrites_are_known_as_what_they_become(desk: Desk) -> None:
    desk.world.git(".", "config", "--global", "url.https://github.com/.insteadOf", "gh:")
    desk.world.git(".", "config", "--global", "--add", "url.git@github.com:acme/.insteadOf", "work:")
    ref = desk.opened()[1]
    name = desk.repository(ref.url).name
    adapter = desk.another_adapter()

    assert adapter.matches("gh:acme/app")
    assert adapter.matches(f"work:{name}")
    assert not adapter.matches("else:acme/app")
    assert adapter.get_pr(PullRef(url=f"work:{name}.git", number=1)).title == "title"


def test_the_repository_gr2_stands_in_does_not_rewrite_urls(desk: Desk) -> None:
    desk.world.git(".", "init", "--quiet")
    desk.world.git(".", "config", "url.https://github.com/.insteadOf", "https://gitlab.example.org/")

    assert not desk.another_adapter().matches("https://gitlab.example.org/acme/app")


def test_an_enterprise_host_is_asked_under_its_own_paths(desk: Desk) -> None:
    desk.sign_in("ghe.example.org")
    _, ref = desk.opened()
    enterprise = PullRef(url=ref.url.replace("github.com", "ghe.example.org"), number=ref.number)
    adapter = desk.another_adapter()

    adapter.update_pr_body(enterprise, "new")
    assert adapter.get_pr(enterprise).body == "new"

    assert {asked.host for asked in desk.hub.asked} == {"ghe.example.org"}
    assert [asked.what.split()[0] for asked in desk.hub.asked] == ["PATCH", "POST"]


def test_pull_requests_on_two_hosts_are_one_request_each(desk: Desk) -> None:
    desk.sign_in("github.com", "ghe.example.org")
    refs = [desk.opened()[1] for _ in range(4)]
    refs[2:] = [PullRef(url=ref.url.replace("github.com", "ghe.example.org"), number=1) for ref in refs[2:]]

    assert set(desk.adapter.prs_overview(refs)) == set(refs)

    assert sorted(asked.host for asked in desk.hub.asked) == ["api.github.com", "ghe.example.org"]


@pytest.mark.parametrize("hosts", [("evil.example.org",), ()], ids=["named by the spec", "named by nobody"])
def test_a_host_that_only_a_spec_names_never_sees_the_enterprise_token(desk: Desk, hosts: tuple[str, ...]) -> None:
    adapter = desk.another_adapter(hosts=hosts, env={"GH_ENTERPRISE_TOKEN": TOKEN})

    with pytest.raises(AuthFailed) as raised:
        adapter.get_pr(PullRef(url="https://evil.example.org/acme/app", number=1))

    assert raised.value.hint == "gh auth login --hostname evil.example.org"
    assert desk.hub.count() == 0


def test_a_host_the_user_named_is_asked(desk: Desk) -> None:
    _, ref = desk.opened()
    enterprise = PullRef(url=ref.url.replace("github.com", "ghe.example.org"), number=1)
    config = desk.world.write(
        os.path.join(desk.world.base, "config.toml"), '[plugins.github]\nhosts = ["ghe.example.org"]\n'
    )
    for env in ({"GH_HOST": "ghe.example.org"}, {"GR2_CONFIG": config}):
        adapter = desk.another_adapter(env={**env, "GH_ENTERPRISE_TOKEN": TOKEN})
        assert adapter.get_pr(enterprise).title == "title"


def test_a_name_that_only_ssh_knows_means_gh_s_own_host(desk: Desk) -> None:
    _, ref = desk.opened()
    name = desk.repository(ref.url).full_name

    assert desk.adapter.get_pr(PullRef(url=f"git@work-account:{name}.git", number=1)).title == "title"


def test_a_url_without_owner_and_name_is_said_to_be_none(desk: Desk) -> None:
    with pytest.raises(NotFound, match="names no owner/name"):
        desk.adapter.get_pr(PullRef(url="https://github.com/acme", number=1))


def test_the_hosts_are_read_without_what_belongs_to_them(desk: Desk) -> None:
    text = (
        '# comment\n"quoted.example.org":\n  user: robin\n  oauth_token: secret.example.org:\nplain.example.org: # x\n'
    )
    desk.world.write(os.path.join(desk.gh_config, "hosts.yml"), text + "no host:\n  a: b\nbroken: {a: b}\n")

    assert hosts_of_gh(desk.world.env) == ("quoted.example.org", "plain.example.org")
    assert hosts_of_gh({"GH_CONFIG_DIR": "/nowhere", "GH_HOST": "GHE.example.org"}) == ("ghe.example.org",)
    assert hosts_of_gh({}) == ()


@pytest.mark.parametrize("host", ["https://ghe.example.org", "ghe.example.org:8443", "ghe.example.org/x", "", "-x"])
def test_a_host_that_is_none_is_refused_in_the_settings(host: str) -> None:
    with pytest.raises(ValidationError, match="host name"):
        GitHubSettings(hosts=(host,))
