use std::{
    cell::RefCell,
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
};

use futures_util::{FutureExt, Stream, StreamExt, future::join, stream};
use tower_identity_core::{
    CallerContext,
    ambient::{self, Scoped},
};

use crate::support::acting_for;

/// For whom the code runs that calls this.
fn on_behalf_of() -> Option<String> {
    let user = |context: &CallerContext| context.principal().user().expect("every context here has one").id.to_string();
    let current = ambient::current().as_ref().map(user);
    assert_eq!(ambient::with(|context| context.map(user)), current);
    current
}

fn alice() -> Option<String> {
    Some("alice".to_owned())
}

fn bob() -> Option<String> {
    Some("bob".to_owned())
}

fn run<F: Future>(future: F) -> F::Output {
    future.now_or_never().expect("nothing here waits")
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets whoever polls it go on at the second poll.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[test]
fn scopes_nest_and_each_ends_where_it_began() {
    let seen = run(acting_for("alice").scope(async {
        let before = on_behalf_of();
        let inside = acting_for("bob").scope(async { on_behalf_of() }).await;
        [before, inside, on_behalf_of()]
    }));
    assert_eq!(seen, [alice(), bob(), alice()]);
    assert_eq!(on_behalf_of(), None);
}

#[test]
fn a_closure_runs_in_a_scope_and_its_context_is_given_back() {
    let mut context = Some(acting_for("alice"));
    assert_eq!(ambient::enter(&mut context, on_behalf_of), alice());
    assert_eq!(on_behalf_of(), None);
    assert_eq!(ambient::enter(&mut context, on_behalf_of), alice(), "again");
}

#[test]
fn the_scope_of_nobody_hides_the_one_around_it() {
    let seen = run(acting_for("alice").scope(async {
        let inside = Scoped::new(None, async { on_behalf_of() }).await;
        [inside, ambient::enter(&mut None, on_behalf_of), on_behalf_of()]
    }));
    assert_eq!(seen, [None, None, alice()]);
}

#[test]
fn a_scope_follows_its_future_between_polls_and_is_not_there_in_between() {
    let mut future = pin!(acting_for("alice").scope(async {
        let first = on_behalf_of();
        pause().await;
        [first, on_behalf_of()]
    }));
    assert_eq!(poll_once(future.as_mut()), Poll::Pending);
    assert_eq!(on_behalf_of(), None);
    assert_eq!(poll_once(future.as_mut()), Poll::Ready([alice(), alice()]));
    assert_eq!(on_behalf_of(), None);
}

#[test]
fn futures_that_take_turns_on_one_thread_keep_apart() {
    async fn twice() -> [Option<String>; 2] {
        let first = on_behalf_of();
        pause().await;
        [first, on_behalf_of()]
    }
    let mut both = pin!(join(acting_for("alice").scope(twice()), acting_for("bob").scope(twice())));
    assert_eq!(poll_once(both.as_mut()), Poll::Pending);
    assert_eq!(poll_once(both.as_mut()), Poll::Ready(([alice(), alice()], [bob(), bob()])));
}

/// A plain future has no scope of its own: what counts is where it is polled, not where it was made.
#[test]
fn a_future_made_in_one_scope_and_polled_in_another_runs_in_the_second() {
    let made = ambient::enter(&mut Some(acting_for("alice")), || async { on_behalf_of() });
    assert_eq!(run(acting_for("bob").scope(made)), bob());
}

/// What wants the first scope reads it while it is made, as the outbound layer does in `call`, or carries it.
#[test]
fn what_is_read_or_carried_when_a_future_is_made_stays() {
    let (read, carried) = ambient::enter(&mut Some(acting_for("alice")), || {
        let read = on_behalf_of();
        let carried = ambient::current().expect("in a scope").scope(async { on_behalf_of() });
        (async move { read }, carried)
    });
    assert_eq!(run(acting_for("bob").scope(join(read, carried))), (alice(), alice()));
}

#[test]
fn a_panic_in_a_poll_leaves_the_scope() {
    let panics = || catch_unwind(|| run(acting_for("alice").scope(async { panic!("in {:?}", on_behalf_of()) })));
    let panic = panics().expect_err("it panics");
    assert_eq!(panic.downcast_ref(), Some(&format!("in {:?}", alice())));
    assert_eq!(on_behalf_of(), None);

    let around = run(acting_for("bob").scope(async {
        panics().expect_err("it panics");
        on_behalf_of()
    }));
    assert_eq!(around, bob());
}

#[test]
fn a_panic_in_a_closure_gives_its_context_back() {
    let mut context = Some(acting_for("alice"));
    catch_unwind(AssertUnwindSafe(|| ambient::enter(&mut context, || panic!("inside")))).expect_err("it panics");
    assert_eq!(on_behalf_of(), None);
    assert_eq!(ambient::enter(&mut context, on_behalf_of), alice());
}

#[test]
fn a_future_that_is_dropped_half_way_leaves_nothing_behind() {
    {
        let mut future = pin!(acting_for("alice").scope(pending::<()>()));
        assert_eq!(poll_once(future.as_mut()), Poll::Pending);
    }
    assert_eq!(on_behalf_of(), None);
}

/// Leaves word for whom the code runs that drops it.
struct TellsWhenDropped(mpsc::Sender<Option<String>>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.send(on_behalf_of()).expect("the test listens");
    }
}

/// What a future undoes when it is dropped half way, it undoes for its own caller.
#[test]
fn what_runs_when_a_future_is_dropped_runs_in_its_scope_and_not_in_the_one_around_it() {
    let (tell, told) = mpsc::channel();
    let half_way = |context| {
        let guard = TellsWhenDropped(tell.clone());
        let mut future = Box::pin(Scoped::new(context, async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        assert_eq!(poll_once(future.as_mut()), Poll::Pending);
        future
    };
    let (of_bob, of_nobody) = (half_way(Some(acting_for("bob"))), half_way(None));
    let after = run(acting_for("alice").scope(async {
        drop(of_bob);
        drop(of_nobody);
        on_behalf_of()
    }));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [bob(), None]);
    assert_eq!(after, alice());

    // The same guard in a plain future runs for whoever drops it.
    run(acting_for("alice").scope(async { drop(TellsWhenDropped(tell)) }));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [alice()]);
}

/// Futures that a thread holds in its own storage are dropped when its scope is gone already.
#[test]
fn a_future_that_is_dropped_at_the_end_of_its_thread_has_no_scope_and_panics_not() {
    type Kept = RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>;
    thread_local!(static KEPT: Kept = const { RefCell::new(None) });

    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        // Storage is given back in an order of the system's choice: the one that was used first stays longest.
        KEPT.with_borrow(Option::is_none);
        let guard = TellsWhenDropped(tell);
        let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(acting_for("alice").scope(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        assert_eq!(poll_once(future.as_mut()), Poll::Pending);
        KEPT.set(Some(future));
    });
    thread.join().expect("thread");
    assert_eq!(told.recv(), Ok(None));
}

#[test]
fn another_thread_has_no_scope_unless_it_is_carried_there() {
    let (bare, carried) = run(acting_for("alice").scope(async {
        let context = ambient::current().expect("in a scope");
        let bare = thread::spawn(on_behalf_of);
        let carried = thread::spawn(move || run(context.scope(async { on_behalf_of() })));
        (bare.join().expect("thread"), carried.join().expect("thread"))
    }));
    assert_eq!((bare, carried), (None, alice()));
}

#[test]
fn a_scope_follows_its_future_to_another_thread() {
    let mut future = Box::pin(acting_for("alice").scope(async {
        let first = on_behalf_of();
        pause().await;
        [first, on_behalf_of()]
    }));
    assert_eq!(poll_once(future.as_mut()), Poll::Pending);
    let hopped = thread::spawn(move || (poll_once(future.as_mut()), on_behalf_of()));
    assert_eq!(hopped.join().expect("thread"), (Poll::Ready([alice(), alice()]), None));
    assert_eq!(on_behalf_of(), None);
}

#[test]
fn every_item_of_a_stream_is_made_in_its_scope() {
    let items = || stream::iter(0..2).map(|item| (item, on_behalf_of()));
    let mut carried = acting_for("alice").scope_stream(items());
    assert_eq!(carried.size_hint(), (2, Some(2)));
    assert_eq!(run(carried.next()), Some((0, alice())));
    assert_eq!(on_behalf_of(), None);
    assert_eq!(run(acting_for("bob").scope(carried.next())), Some((1, alice())));
    assert_eq!(run(carried.next()), None);

    let bare = ambient::enter(&mut Some(acting_for("alice")), items);
    assert_eq!(run(bare.collect::<Vec<_>>()), [(0, None), (1, None)], "a body runs after its handler");
}
