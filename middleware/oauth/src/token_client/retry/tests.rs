use bytes::Bytes;

use super::*;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn at(after_the_turn: Duration) -> Moment {
    Moment::from_origin(100 * S + after_the_turn)
}

fn attempts() -> Attempts {
    Attempts::new(Urgency::Waiting, at(Duration::ZERO))
}

fn down(retry_after: Option<Duration>) -> Health {
    Health::Down { retry_after }
}

fn throttles(retry_after: Option<Duration>) -> Health {
    Health::Throttles { retry_after }
}

#[test]
fn out_b20_few_answers_lead_to_another_attempt() {
    let cases = [
        (Health::Answers, Next::GiveUp),
        (Health::Ails, Next::GiveUp),
        (Health::Unreachable, Next::After(50 * MS)),
        (down(None), Next::After(50 * MS)),
        (down(Some(2 * S)), Next::After(2 * S + 50 * MS)),
        (down(Some(Duration::ZERO)), Next::After(50 * MS)),
        (throttles(None), Next::GiveUp),
        (throttles(Some(2 * S)), Next::After(2 * S + 50 * MS)),
    ];
    for (health, expected) in cases {
        assert_eq!(attempts().after(health, false, at(S), u32::MAX / 2).rounded(), expected, "{health:?}");
    }
}

impl Next {
    /// Half of a whole number is none.
    fn rounded(self) -> Self {
        match self {
            Self::After(pause) => Self::After(Duration::from_micros(pause.as_micros().next_multiple_of(10) as u64)),
            other => other,
        }
    }
}

#[test]
fn out_b20_at_most_two_and_each_pause_twice_as_long_and_random() {
    for (random, pauses) in [(0, [0, 0]), (u32::MAX, [100, 200])] {
        let mut attempts = attempts();
        for pause in pauses {
            assert_eq!(attempts.after(Health::Unreachable, false, at(S), random), Next::After(pause * MS));
        }
        assert_eq!(attempts.after(Health::Unreachable, false, at(S), random), Next::GiveUp);
        assert_eq!(attempts.after(Health::Unreachable, true, at(S), random), Next::GiveUp);
    }
}

#[test]
fn out_b20_a_refresh_is_not_made_again() {
    for health in [Health::Unreachable, down(None), throttles(Some(S))] {
        let mut refresh = Attempts::new(Urgency::Refresh, at(Duration::ZERO));
        assert_eq!(refresh.after(health, true, at(S), 0), Next::GiveUp, "{health:?}");
    }
}

#[test]
fn out_b20_no_attempt_begins_past_the_deadline() {
    let after = |health, passed: Duration| attempts().after(health, false, at(passed), 0);
    for (health, latest, pause) in [
        (Health::Unreachable, DEADLINE - MS, Duration::ZERO),
        (down(Some(4 * S)), S - MS, 4 * S),
        (throttles(Some(S)), 4 * S - MS, S),
    ] {
        assert_eq!(after(health, latest), Next::After(pause), "{health:?}");
        assert_eq!(after(health, latest + MS), Next::GiveUp, "{health:?}");
    }
    assert_eq!(after(down(Some(5 * S)), Duration::ZERO), Next::GiveUp);
    assert_eq!(attempts().after(Health::Unreachable, true, at(DEADLINE), 0), Next::GiveUp);
    assert_eq!(attempts().time_left(at(2 * S)), DEADLINE - 2 * S);
}

#[test]
fn out_b20_another_endpoint_is_asked_at_once_unless_the_server_says_when() {
    let cases = [
        (Health::Unreachable, Next::Elsewhere),
        (down(None), Next::Elsewhere),
        (down(Some(S)), Next::After(S)),
        (throttles(Some(S)), Next::After(S)),
        (throttles(None), Next::GiveUp),
        (Health::Ails, Next::GiveUp),
        (Health::Answers, Next::GiveUp),
    ];
    for (health, expected) in cases {
        assert_eq!(attempts().after(health, true, at(S), 0), expected, "{health:?}");
    }
}

#[test]
fn out_b21_what_an_answer_says_of_the_server() {
    let wait = Some(7 * S);
    let cases = [
        (200, Health::Answers, false),
        (400, Health::Answers, false),
        (401, Health::Answers, false),
        (403, Health::Answers, false),
        (404, Health::Answers, false),
        (429, throttles(wait), false),
        (408, Health::Ails, true),
        (500, Health::Ails, true),
        (501, Health::Ails, true),
        (502, down(wait), true),
        (503, down(wait), true),
        (504, down(wait), true),
        (505, Health::Ails, true),
    ];
    for (status, health, outage) in cases {
        let status = StatusCode::from_u16(status).expect("a status");
        let found = Health::of(&Ok(Answer { status, retry_after: wait, body: Bytes::new() }));
        assert_eq!((found, found.is_outage()), (health, outage), "{status}");
    }
    let cases = [
        (FetchError::Unreachable(std::sync::Arc::new(std::fmt::Error)), Health::Unreachable, true),
        (FetchError::Timeout { after: S }, Health::Ails, true),
        (FetchError::TooLarge { limit: 1 }, Health::Answers, false),
        (FetchError::Redirected { status: StatusCode::FOUND }, Health::Answers, false),
        (FetchError::Private, Health::Answers, false),
        (FetchError::Certificate { alert: "UnknownCA".into() }, Health::Answers, false),
    ];
    for (error, health, outage) in cases {
        let found = Health::of(&Err(error.clone()));
        assert_eq!((found, found.is_outage()), (health, outage), "{error:?}");
    }
}
