use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower_identity_core::{BoxFuture, Moment, TimeSource, Timestamp};

use super::{Urgency::*, *};

/// Time at which every turn comes too late, or none does.
struct Standing {
    too_late: bool,
}

impl TimeSource for Standing {
    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(Duration::from_secs(7))
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        assert_eq!(moment, self.monotonic().saturating_add(DEADLINE));
        if self.too_late { Box::pin(std::future::ready(())) } else { Box::pin(std::future::pending()) }
    }
}

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Place, NotAsked>> + Send + 'a>>;

/// Who asks for a place; the first poll has been made.
fn enter(line: &Line, urgency: Urgency, room: usize) -> (Entering<'_>, Option<Result<Place, NotAsked>>) {
    let mut entering: Entering<'_> = Box::pin(async move {
        let clock = Clock::new(Standing { too_late: false });
        line.enter(urgency, room, &clock).await
    });
    let now = poll(&mut entering);
    (entering, now)
}

fn poll(entering: &mut Entering<'_>) -> Option<Result<Place, NotAsked>> {
    match entering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(entered) => Some(entered),
        Poll::Pending => None,
    }
}

/// One that has to wait.
fn wait(line: &Line, urgency: Urgency, room: usize) -> Entering<'_> {
    let (entering, now) = enter(line, urgency, room);
    assert!(now.is_none(), "it has a place");
    entering
}

fn refused(line: &Line, urgency: Urgency, room: usize) -> NotAsked {
    let (_, now) = enter(line, urgency, room);
    now.expect("decided at once").err().expect("refused")
}

fn take(line: &Line, urgency: Urgency, places: usize) -> Vec<Place> {
    let place = |_| enter(line, urgency, 0).1.expect("at once").unwrap_or_else(|refused| panic!("{refused}"));
    (0..places).map(place).collect()
}

fn counts(line: &Line) -> (usize, usize, usize) {
    let state = line.0.state();
    (state.in_flight, state.waiting.len(), state.refreshes.len())
}

#[test]
fn out_b22_so_many_are_under_way_and_the_others_take_turns_in_their_order() {
    let line = Line::default();
    let mut under_way = take(&line, Waiting, IN_FLIGHT);
    let (mut first, mut second) = (wait(&line, Waiting, 2), wait(&line, Waiting, 2));
    assert_eq!(counts(&line), (IN_FLIGHT, 2, 0));
    under_way.pop();
    assert!(poll(&mut second).is_none(), "the first comes first");
    let first = poll(&mut first).expect("its turn").unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(counts(&line), (IN_FLIGHT, 1, 0));
    drop(first);
    let second = poll(&mut second).expect("its turn").unwrap_or_else(|refused| panic!("{refused}"));
    drop((second, under_way));
    assert_eq!(counts(&line), (0, 0, 0), "nothing is lost");
}

#[test]
fn out_b22_beyond_its_room_the_line_is_full() {
    let line = Line::default();
    let _under_way = take(&line, Waiting, IN_FLIGHT);
    assert_eq!(refused(&line, Waiting, 0), NotAsked::LineFull { room: 0 });
    let _waiting = [wait(&line, Waiting, 2), wait(&line, Waiting, 2)];
    assert_eq!(refused(&line, Waiting, 2), NotAsked::LineFull { room: 2 });
    assert_eq!(counts(&line), (IN_FLIGHT, 2, 0));
    drop(wait(&line, Waiting, 3));
}

#[test]
fn out_b22_who_leaves_makes_room_and_takes_nobodys_turn() {
    let line = Line::default();
    let mut under_way = take(&line, Waiting, IN_FLIGHT);
    drop(wait(&line, Waiting, 1));
    let mut stays = wait(&line, Waiting, 1);
    assert_eq!(refused(&line, Waiting, 1), NotAsked::LineFull { room: 1 });

    // One leaves in front of it, and one with a place that it never saw.
    let leaves = wait(&line, Waiting, 2);
    under_way.pop();
    let place = poll(&mut stays).expect("its turn").unwrap_or_else(|refused| panic!("{refused}"));
    let mut last = wait(&line, Waiting, 2);
    drop(place);
    assert!(poll(&mut last).is_none(), "the one before it has the place");
    drop(leaves);
    assert!(poll(&mut last).expect("its turn").is_ok());
    drop((last, under_way));
    assert_eq!(counts(&line), (0, 0, 0));
}

#[test]
fn out_b22_refreshes_leave_places_free_and_give_way_to_those_who_wait() {
    let line = Line::default();
    let mut refreshing = take(&line, Refresh, 56);
    let mut refresh = wait(&line, Refresh, 4);
    let mut waiting = take(&line, Waiting, 8);
    let mut waits = wait(&line, Waiting, 4);
    refreshing.pop();
    assert!(poll(&mut refresh).is_none(), "it came first, and comes last");
    waiting.push(poll(&mut waits).expect("its turn").unwrap_or_else(|refused| panic!("{refused}")));
    for _ in 0..8 {
        waiting.pop();
        assert!(poll(&mut refresh).is_none(), "those places are for others");
    }
    waiting.pop();
    assert!(poll(&mut refresh).expect("its turn").is_ok());
}

#[test]
fn out_b22_a_refresh_is_dropped_where_the_line_is_half_full_or_full() {
    let line = Line::default();
    let _under_way = take(&line, Waiting, IN_FLIGHT);
    assert_eq!(refused(&line, Refresh, 1), NotAsked::GaveWay);
    let mut refresh = wait(&line, Refresh, 4);
    let _one = wait(&line, Waiting, 4);
    assert_eq!(refused(&line, Refresh, 4), NotAsked::GaveWay, "the third of four");
    let _others = [wait(&line, Waiting, 4), wait(&line, Waiting, 4)];
    assert!(poll(&mut refresh).is_none());
    let _last = wait(&line, Waiting, 4);
    let sent_away = poll(&mut refresh).expect("decided").err();
    assert_eq!(sent_away, Some(NotAsked::GaveWay), "for somebody who waits");
    assert_eq!(refused(&line, Waiting, 4), NotAsked::LineFull { room: 4 });
}

#[test]
fn out_b22_nobody_waits_longer_than_a_call_may_take() {
    let line = Line::default();
    let _under_way = take(&line, Waiting, IN_FLIGHT);
    let clock = Clock::new(Standing { too_late: true });
    let late = pin!(line.enter(Waiting, 1, &clock));
    let Poll::Ready(late) = late.poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
    assert_eq!(late.err(), Some(NotAsked::NoTurn));
}
