"""Machines written in a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigurationError
from actors.fleet.node_notation import parse_nodes

GB = 10**9


def test_groups_of_machines_are_counted_out() -> None:
    """Counts, cores, memory and GPUs; the first node hosts the ingress."""
    nodes = parse_nodes("2x4cpu+8gb, 1x16cpu+64gb+2gpu+24gbgpu")
    assert [(node.cpus, node.memory_bytes, node.gpus) for node in nodes] == [
        (4, 8 * GB, 0),
        (4, 8 * GB, 0),
        (16, 64 * GB, 2),
    ]
    assert [node.gpu_memory_bytes for node in nodes] == [None, None, 24 * GB]
    assert [node.hosts_ingress for node in nodes] == [True, False, False]
    assert len({node.node_id for node in nodes}) == 3


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("1gpu", (8, 32 * GB, 1, None)),
        ("2cpu", (2, 8 * GB, 0, None)),
        ("1x24gbgpu", (8, 32 * GB, 1, 24 * GB)),
        ("1 x 4 Cores + 7.5 GiB", (4, int(7.5 * GB), 0, None)),
        ("1*0cpu+16gb", (0, 16 * GB, 0, None)),
    ],
)
def test_what_is_unsaid_has_a_default(text: str, figures: tuple[float, ...]) -> None:
    """One machine, 8 cores, 4 GB a core, a GPU where its memory is said; spelling is forgiven."""
    [node] = parse_nodes(text)
    assert (node.cpus, node.memory_bytes, node.gpus, node.gpu_memory_bytes) == figures


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has an empty group"),
        ("4x8cpu,", "has an empty group"),
        ("4xcats", "'cats' in '4xcats' is no number of cpu, gb, gpu or gbgpu"),
        ("4x8", "'8' in '4x8'"),
        ("4x", "'4x' in '4x'"),
        ("8cpu+4", "'4' in '8cpu+4'"),
        ("8cpu+4cores", "gives cpu twice"),
        ("0x8cpu", "'0x8cpu': there may be 1 to 1000 nodes"),
        ("999x1cpu,2x1cpu", "'2x1cpu': there may be 1 to 1000 nodes"),
        ("-1x8cpu", "'-1x8cpu'"),
    ],
)
def test_what_is_not_understood_is_quoted(text: str, complaint: str) -> None:
    """The message names the part, not just the line."""
    with pytest.raises(ConfigurationError) as caught:
        parse_nodes(text)
    assert complaint in str(caught.value)


def test_there_are_no_more_ingresses_than_nodes() -> None:
    """The number must be possible."""
    with pytest.raises(ConfigurationError, match="ingress nodes: 3 is not 0 to 2"):
        parse_nodes("2x8cpu", ingress_nodes=3)
    assert not any(node.hosts_ingress for node in parse_nodes("2x8cpu", ingress_nodes=0))


@given(st.text(alphabet="0123456789xgbpucor+, .-", max_size=20), st.integers(-1, 5))
def test_any_text_is_nodes_or_a_clear_error(text: str, ingress_nodes: int) -> None:
    """Nothing else is ever raised, and nodes in the order written are in the order of their ids."""
    try:
        nodes = parse_nodes(text, ingress_nodes)
    except ConfigurationError:
        return
    assert [node.node_id for node in nodes] == sorted(node.node_id for node in nodes)
    assert sum(node.hosts_ingress for node in nodes) == ingress_nodes
