"""Many replicas stay within the provider's limits: the simulation of `make bench DO=limits`, with fewer replicas."""

from __future__ import annotations

from benchmarks import limits, virtual_time


def test_replicas_that_run_fetch_keys_at_different_times_and_lose_no_call() -> None:
    row = virtual_time.run(limits.steady(100, seconds=600))
    assert row.failed == row.limited == 0
    assert row.peak <= 5
    assert 100 / 900 <= row.mean <= 100 / 500


def test_a_hundred_replicas_that_start_together_stay_within_the_limit() -> None:
    row = virtual_time.run(limits.start_together(100))
    assert row.limited == 0
    assert row.peak <= 40, "20 a second, and what the provider takes at once"


def test_more_replicas_than_the_provider_takes_get_ready_nevertheless() -> None:
    row = virtual_time.run(limits.start_together(250))
    assert row.limited > 0
    assert "all after" in row.remark


def test_an_announced_key_causes_no_fetch_and_an_unannounced_one_loses_no_call() -> None:
    announced = virtual_time.run(limits.rotation(50, announced=True, seconds=300))
    assert announced.failed == 0
    assert announced.calls["refused"] == 0
    unannounced = virtual_time.run(limits.rotation(50, announced=False, seconds=300))
    assert unannounced.failed == 0
    assert unannounced.calls["refused"] == 0


def test_a_provider_that_fails_for_long_loses_no_call_and_is_not_flooded_afterwards() -> None:
    row = virtual_time.run(limits.outage(20, seconds=600))
    assert row.failed == 0
    assert row.peak <= 20


def test_invented_key_ids_cause_no_more_fetches_than_the_keys_themselves() -> None:
    row = virtual_time.run(limits.invented(20, seconds=600))
    assert row.failed == 0
    assert row.mean <= 3 * 20 / 700


def test_users_of_another_api_wait_at_its_limit_and_are_not_refused() -> None:
    row = virtual_time.run(limits.exchanges(2, 50))
    assert row.failed == 0
    assert row.provider.asked.total() <= 2.5 * 2 * 50
