"""How often GitHub is asked to find out that there is nothing to fetch."""

from __future__ import annotations

import os

from tests.github.standin.desk import Desk
from tests.github.standin.hub import Fault


def workspace(desk: Desk, count: int) -> list[str]:
    """A workspace with `count` repos of one content; gives their URLs."""
    urls = [desk.new_repository("same0")]
    for number in range(1, count):
        link = os.path.join(desk.hub.folder, "acme", f"same{number}.git")
        os.symlink(desk.repository(urls[0]).path, link)
        desk.hub.add("acme", f"same{number}", path=link)
        urls.append(f"https://github.com/acme/same{number}.git")
    desk.world.write_spec(repos={f"same{number}": {"url": url} for number, url in enumerate(urls)}, units={})
    assert desk.world.call("apply").exit_code == 0
    desk.hub.asked.clear()
    return urls


def test_a_sync_of_a_hundred_repositories_that_did_not_move_asks_github_once(desk: Desk) -> None:
    workspace(desk, 100)

    ran = desk.world.call("sync", "run", "--json")

    assert ran.json["status"] == "success", ran.stdout
    assert ran.json["completed"] == []
    assert desk.hub.count() == 1


def test_a_sync_fetches_what_moved(desk: Desk) -> None:
    (url,) = workspace(desk, 1)
    moved = desk.push(url, "main", {"README.md": "moved\n"})

    ran = desk.world.call("sync", "run", "--json")

    assert ran.json["status"] == "success", ran.stdout
    assert desk.world.git("repos/same0", "rev-parse", "HEAD") == moved


def test_a_sync_without_github_s_answer_fetches_all_the_same(desk: Desk) -> None:
    (url,) = workspace(desk, 1)
    moved = desk.push(url, "main", {"README.md": "moved\n"})
    desk.hub.faults.append(Fault(kind="status", status=401, body={"message": "Bad credentials"}, times=9))

    ran = desk.world.call("sync", "run", "--json")

    assert ran.codes == ["platform_degraded"], ran.stdout
    assert desk.world.git("repos/same0", "rev-parse", "HEAD") == moved
