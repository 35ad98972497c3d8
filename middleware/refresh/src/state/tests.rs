use super::*;
use crate::Lifetime;

type Machine = State<&'static str, &'static str, u32>;
type Given = Answer<&'static str, &'static str, u32>;

/// Flights are told apart by the second in which they began.
fn ask(machine: &mut Machine, second: u64, need: Need) -> Given {
    machine.ask(at(second), need, || u32::try_from(second).expect("tests are short"))
}

fn get(machine: &mut Machine, second: u64) -> Given {
    ask(machine, second, Need::Usable)
}

fn newer(machine: &mut Machine, second: u64) -> Given {
    let need = machine.newer_than(at(second));
    ask(machine, second, need)
}

fn at(second: u64) -> Moment {
    Moment::from_origin(Duration::from_secs(second))
}

fn loaded(value: &'static str, fresh: u64, usable: u64) -> Loaded<&'static str> {
    Loaded { value, lifetime: Lifetime::new(Duration::from_secs(fresh), Duration::from_secs(usable)) }
}

fn failed(error: &'static str, retry_after: u64) -> Failed<&'static str> {
    Failed { error, retry_after: Duration::from_secs(retry_after) }
}

/// Holds `a`, loaded at 0, fresh until 70, usable until 100.
fn holding() -> Machine {
    let mut machine = Machine::new();
    assert_eq!(get(&mut machine, 0), Answer::Depart(0));
    assert_eq!(machine.land(at(0), Ok(loaded("a", 70, 100))), Ok("a"));
    machine
}

#[test]
fn a_life_has_two_ends_and_both_are_on_or_after() {
    for (second, expected, usable) in [
        (0, Answer::Ready("a"), Some("a")),
        (69, Answer::Ready("a"), Some("a")),
        (70, Answer::Refresh("a", 70), Some("a")),
        (99, Answer::Refresh("a", 99), Some("a")),
        (100, Answer::Depart(100), None),
    ] {
        let mut machine = holding();
        assert_eq!(machine.usable(at(second)), usable, "at {second}");
        assert_eq!(machine.settled(at(second)), usable.filter(|_| second < 70), "at {second}");
        assert_eq!(get(&mut machine, second), expected, "at {second}");
    }
}

#[test]
fn a_life_counts_from_the_beginning_of_its_flight() {
    let mut machine = Machine::new();
    assert_eq!(get(&mut machine, 0), Answer::Depart(0));
    assert_eq!(machine.land(at(5), Ok(loaded("a", 10, 10))), Ok("a"));
    assert_eq!(machine.usable(at(9)), Some("a"));
    assert_eq!(machine.usable(at(10)), None);
}

#[test]
fn a_value_that_ended_on_its_way_is_for_those_who_wait_and_replaces_the_old_one() {
    let mut machine = holding();
    assert_eq!(get(&mut machine, 80), Answer::Refresh("a", 80));
    assert_eq!(machine.land(at(85), Ok(loaded("b", 5, 5))), Ok("b"));
    assert_eq!(machine.usable(at(85)), None, "neither the new one, which ended, nor the old one, which it replaced");
}

#[test]
fn a_refresh_is_begun_once_while_everybody_has_the_old_value() {
    let mut machine = holding();
    assert_eq!(get(&mut machine, 70), Answer::Refresh("a", 70));
    assert_eq!(get(&mut machine, 71), Answer::Ready("a"));
    assert_eq!(machine.settled(at(71)), Some("a"));
    assert_eq!(machine.land(at(72), Ok(loaded("b", 70, 100))), Ok("b"));
    assert_eq!(get(&mut machine, 72), Answer::Ready("b"));
}

#[test]
fn an_ask_after_the_end_joins_the_refresh() {
    let mut machine = holding();
    assert_eq!(get(&mut machine, 99), Answer::Refresh("a", 99));
    assert_eq!(get(&mut machine, 100), Answer::Join(99));
}

#[test]
fn a_failed_refresh_keeps_the_value_and_pauses_for_its_own_time_or_a_second() {
    for (retry_after, again) in [(0, 72), (1, 72), (5, 76)] {
        let mut machine = holding();
        assert_eq!(get(&mut machine, 70), Answer::Refresh("a", 70));
        assert_eq!(machine.land(at(71), Err(failed("down", retry_after))), Err("down"));
        assert_eq!(get(&mut machine, again - 1), Answer::Ready("a"), "{retry_after}");
        assert_eq!(
            get(&mut machine, again),
            Answer::Refresh("a", u32::try_from(again).expect("short")),
            "{retry_after}"
        );
    }
}

#[test]
fn after_its_end_a_value_is_gone_though_the_refresh_failed() {
    let mut machine = holding();
    assert_eq!(get(&mut machine, 98), Answer::Refresh("a", 98));
    assert_eq!(machine.land(at(99), Err(failed("down", 5))), Err("down"));
    assert_eq!(get(&mut machine, 99), Answer::Ready("a"));
    assert_eq!(machine.settled(at(100)), None);
    assert_eq!(get(&mut machine, 100), Answer::Failed("down"));
    assert_eq!(get(&mut machine, 104), Answer::Depart(104));
}

#[test]
fn a_failure_is_remembered_for_its_own_time_only() {
    for (retry_after, second, expected) in [
        (0, 1, Answer::Depart(1)),
        (2, 1, Answer::Failed("down")),
        (2, 2, Answer::Failed("down")),
        (2, 3, Answer::Depart(3)),
    ] {
        let mut machine = Machine::new();
        assert_eq!(get(&mut machine, 0), Answer::Depart(0));
        assert_eq!(machine.land(at(1), Err(failed("down", retry_after))), Err("down"));
        assert_eq!(newer(&mut machine, second), expected, "newer, {retry_after} at {second}");
        if machine.flight().is_none() {
            assert_eq!(get(&mut machine, second), expected, "{retry_after} at {second}");
        }
    }
}

#[test]
fn a_success_ends_the_memory_of_a_failure() {
    let mut machine = Machine::new();
    get(&mut machine, 0);
    assert_eq!(machine.land(at(0), Err(failed("down", 60))), Err("down"));
    machine.put(at(1), loaded("a", 1, 1));
    assert_eq!(get(&mut machine, 2), Answer::Depart(2));
}

#[test]
fn a_lost_flight_leaves_no_failure_and_pauses_a_refresh() {
    let mut machine = holding();
    assert_eq!(get(&mut machine, 70), Answer::Refresh("a", 70));
    machine.lose(at(70));
    assert_eq!(get(&mut machine, 70), Answer::Ready("a"));
    assert_eq!(get(&mut machine, 71), Answer::Refresh("a", 71));

    let mut empty = Machine::new();
    assert_eq!(get(&mut empty, 0), Answer::Depart(0));
    empty.lose(at(0));
    assert_eq!(get(&mut empty, 0), Answer::Depart(0));
}

#[test]
fn jwks_a2_newer_than_takes_a_later_value_and_no_earlier_one() {
    for (since, expected) in [(9, Answer::Ready("b")), (10, Answer::Depart(20)), (11, Answer::Depart(20))] {
        let mut machine = Machine::new();
        machine.put(at(10), loaded("b", 70, 100));
        let need = machine.newer_than(at(since));
        assert_eq!(ask(&mut machine, 20, need), expected, "since {since}");
    }
}

#[test]
fn jwks_a2_newer_than_joins_a_later_flight_and_waits_behind_an_earlier_one() {
    for (since, expected) in [(9, Answer::Join(10)), (10, Answer::Join(10)), (11, Answer::Behind(10))] {
        let mut machine = Machine::new();
        assert_eq!(get(&mut machine, 10), Answer::Depart(10));
        let need = machine.newer_than(at(since));
        assert_eq!(ask(&mut machine, 20, need), expected, "since {since}");
    }
}

#[test]
fn jwks_a2_those_behind_a_flight_share_the_next() {
    let mut machine = holding();
    assert_eq!(get(&mut machine, 70), Answer::Refresh("a", 70));
    let (one, two) = (machine.newer_than(at(71)), machine.newer_than(at(72)));
    assert_eq!(ask(&mut machine, 71, one), Answer::Behind(70));
    assert_eq!(ask(&mut machine, 72, two), Answer::Behind(70));
    assert_eq!(get(&mut machine, 72), Answer::Ready("a"), "who needs nothing newer does not wait");
    assert_eq!(machine.land(at(73), Ok(loaded("b", 70, 100))), Ok("b"));
    assert_eq!(ask(&mut machine, 73, two), Answer::Depart(73));
    assert_eq!(ask(&mut machine, 73, one), Answer::Join(73));
}

/// A test's clock stands still: what began after the call counts, though the clock shows no difference.
#[test]
fn newer_than_needs_no_moving_clock() {
    let mut machine = holding();
    let need = machine.newer_than(at(0));
    assert_eq!(ask(&mut machine, 0, need), Answer::Depart(0));
    assert_eq!(machine.land(at(0), Ok(loaded("b", 70, 100))), Ok("b"));
    assert_eq!(ask(&mut machine, 0, need), Answer::Ready("b"));
}

#[test]
fn clear_discards_what_the_flight_in_the_air_brings() {
    for outcome in [Ok(loaded("old", 70, 100)), Err(failed("old", 60))] {
        let shared = outcome.clone().map(|loaded| loaded.value).map_err(|failed| failed.error);
        let mut machine = Machine::new();
        assert_eq!(get(&mut machine, 0), Answer::Depart(0));
        machine.clear();
        assert_eq!(get(&mut machine, 1), Answer::Behind(0), "one in the air at a time, also after a clear");
        assert_eq!(machine.land(at(2), outcome), shared, "who waited before the clear has the result");
        assert_eq!(machine.usable(at(2)), None);
        assert_eq!(get(&mut machine, 2), Answer::Depart(2));
        assert_eq!(machine.land(at(3), Ok(loaded("new", 70, 100))), Ok("new"));
        assert_eq!(get(&mut machine, 3), Answer::Ready("new"));
    }
}

#[test]
fn clear_forgets_value_failure_and_back_off() {
    let mut machine = holding();
    machine.clear();
    assert_eq!(get(&mut machine, 1), Answer::Depart(1));
    assert_eq!(machine.land(at(1), Err(failed("down", 60))), Err("down"));
    machine.clear();
    assert_eq!(get(&mut machine, 2), Answer::Depart(2));
}

#[test]
fn put_wins_over_the_flight_in_the_air() {
    for outcome in [Ok(loaded("flown", 70, 100)), Err(failed("down", 60))] {
        let mut machine = Machine::new();
        assert_eq!(get(&mut machine, 0), Answer::Depart(0));
        machine.put(at(1), loaded("put", 70, 100));
        assert_eq!(get(&mut machine, 1), Answer::Ready("put"));
        let _ = machine.land(at(2), outcome);
        assert_eq!(get(&mut machine, 2), Answer::Ready("put"));
        assert_eq!(get(&mut machine, 71), Answer::Refresh("put", 71));
    }
}

#[test]
fn evict_forgets_the_value_that_is_meant_and_no_other() {
    let mut machine = holding();
    machine.evict(|value| *value == "another");
    assert_eq!(get(&mut machine, 1), Answer::Ready("a"));
    machine.evict(|value| *value == "a");
    assert_eq!(get(&mut machine, 1), Answer::Depart(1));
    machine.evict(|_| true);
    assert_eq!(machine.land(at(2), Ok(loaded("b", 70, 100))), Ok("b"));
    assert_eq!(get(&mut machine, 2), Answer::Ready("b"), "what a flight brings is not what was evicted before");
}
