"""The ports that tests start their servers on."""

from __future__ import annotations

from tests.support.ports import free_port


def test_no_port_is_given_out_twice() -> None:
    ports = [free_port() for _ in range(1500)]
    assert len(set(ports)) == len(ports)
