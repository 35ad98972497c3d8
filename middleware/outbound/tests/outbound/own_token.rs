//! This service's own token, in a file that somebody else writes, or a fixed one.

use std::{fs, path::Path, sync::LazyLock};

use serde_json::{Value, json};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_outbound::{HttpClient, Target};

use crate::support::{Folder, START, World, client, echoed, refused};

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).expect("a key"));

fn jwt(claims: &Value) -> String {
    KEY.sign(&MediaType::ACCESS_TOKEN, claims).expect("signed").expose().to_owned()
}

fn http(world: &World, row: impl FnOnce(Target) -> Target) -> HttpClient {
    client(&world.builder().target(row(world.payments.target())).build().expect("outbound"))
}

/// What the target got, or the failing check.
async fn sent(world: &World, http: &HttpClient) -> Result<String, &'static str> {
    match http.get(world.payments.url("/")).send().await {
        Ok(response) => Ok(echoed(Ok(response)).await),
        Err(error) => Err(refused(Err(error)).0),
    }
}

/// Sends, five seconds later, until the target gets this: what is read anew is read behind the requests' backs.
async fn comes(world: &World, http: &HttpClient, token: &str) {
    world.time.advance(5);
    for _ in 0..10_000 {
        if sent(world, http).await.as_deref() == Ok(&*format!("Bearer {token}")) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn out_b32_a_file_is_read_when_it_is_needed_and_again_while_it_is_used() {
    let (world, folder) = (World::new().await, Folder::new());
    let path = folder.at("token");
    let http = http(&world, |row| row.token_file(&path));
    assert_eq!(sent(&world, &http).await, Err("own_token"), "not there yet");
    world.time.advance(2);
    folder.write("token", "first\n");
    assert_eq!(sent(&world, &http).await, Ok("Bearer first".to_owned()));
    folder.write("token", "second");
    assert_eq!(sent(&world, &http).await, Ok("Bearer first".to_owned()), "it was looked at just now");
    comes(&world, &http, "second").await;
    assert_eq!(world.authority.calls().len(), 0, "nobody is asked");
}

#[cfg(unix)]
#[tokio::test]
async fn out_b32_a_file_that_is_swapped_by_a_link_is_followed() {
    let (world, folder) = (World::new().await, Folder::new());
    // As Kubernetes does: token → ..data/token, ..data → a folder, which is swapped.
    folder.write("..1/token", "first");
    folder.write("..2/token", "second");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(Path::new(to), folder.at(name)).expect("linked");
    link("..1", "..data");
    link("..data/token", "token");
    let http = http(&world, |row| row.token_file(folder.at("token")));
    assert_eq!(sent(&world, &http).await, Ok("Bearer first".to_owned()));
    link("..2", "..new");
    fs::rename(folder.at("..new"), folder.at("..data")).expect("swapped");
    fs::remove_dir_all(folder.at("..1")).expect("removed");
    comes(&world, &http, "second").await;
}

#[tokio::test]
async fn out_b32_what_a_file_held_last_is_used_to_its_end_and_not_beyond() {
    for spoilt in [None, Some(""), Some("two words"), Some("e30.e30.AA")] {
        let (world, folder) = (World::new().await, Folder::new());
        let token = jwt(&json!({"sub": "orders", "aud": "payments", "exp": START + 600}));
        let path = folder.write("token", &token);
        let http = http(&world, |row| row.token_file(&path));
        assert_eq!(sent(&world, &http).await, Ok(format!("Bearer {token}")));
        match spoilt {
            None => fs::remove_file(&path).expect("removed"),
            Some(text) => fs::write(&path, text).expect("written"),
        }
        for _ in 0..58 {
            world.time.advance(10);
            assert_eq!(sent(&world, &http).await, Ok(format!("Bearer {token}")), "{spoilt:?}");
            tokio::task::yield_now().await;
        }
        world.time.advance(20);
        assert_eq!(sent(&world, &http).await, Err("own_token"), "{spoilt:?}");
    }
}

#[tokio::test]
async fn out_b32_a_jwt_is_for_the_target_and_has_not_ended() {
    let (world, folder) = (World::new().await, Folder::new());
    let cases = [
        (json!({"aud": "payments", "exp": START + 60}), Ok(())),
        (json!({"aud": ["a", "payments"], "exp": START + 60}), Ok(())),
        (json!({"aud": "payments"}), Ok(())),
        (json!({"aud": "stock", "exp": START + 60}), Err("own_token")),
        (json!({"aud": 7, "exp": START + 60}), Err("own_token")),
        (json!({"exp": START + 60}), Err("own_token")),
        (json!({"aud": "payments", "exp": START}), Err("own_token")),
        (json!({"aud": "payments", "exp": "soon"}), Err("own_token")),
    ];
    for (claims, expected) in cases {
        let token = jwt(&claims);
        let path = folder.write("token", &token);
        let sent = [
            sent(&world, &http(&world, |row| row.token_file(&path))).await,
            sent(&world, &http(&world, |row| row.fixed_token(token.clone()))).await,
        ];
        for sent in sent {
            assert_eq!(sent, expected.map(|()| format!("Bearer {token}")), "{claims}");
        }
    }
    // A row that names nobody leaves it to whoever writes the file.
    let path = folder.write("token", &jwt(&json!({"aud": "stock"})));
    let unnamed = Target::origin(&world.payments.url("")).expect("origin").token_file(&path);
    let http = client(&world.builder().target(unnamed).build().expect("outbound"));
    assert!(sent(&world, &http).await.is_ok());
}

#[tokio::test]
async fn out_b32_a_fixed_token_ends_when_it_says() {
    let world = World::new().await;
    let token = jwt(&json!({"aud": "payments", "exp": START + 100}));
    let http = http(&world, |row| row.fixed_token(token.clone()));
    for (advance, expected) in [(0, Ok(())), (89, Ok(())), (11, Err("own_token"))] {
        world.time.advance(advance);
        assert_eq!(sent(&world, &http).await.map(drop), expected);
    }
}

#[tokio::test]
async fn out_b32_each_file_and_each_token_is_its_own() {
    let (world, folder) = (World::new().await, Folder::new());
    let row = |path: &str| world.payments.target().path_prefix(path);
    let outbound = world
        .builder()
        .target(row("/one").token_file(folder.write("one", "one")))
        .target(row("/two").token_file(folder.write("two", "two")))
        .target(row("/three").fixed_token("three"))
        .target(row("/four").fixed_token("four"));
    let http = client(&outbound.build().expect("outbound"));
    for name in ["one", "two", "three", "four"] {
        assert_eq!(
            echoed(http.get(world.payments.url(&format!("/{name}"))).send().await).await,
            format!("Bearer {name}")
        );
    }
}
