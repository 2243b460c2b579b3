use redis::Value;

use super::*;
use crate::PrivateRedis;
use crate::script::PUT_CHUNK;

fn info(wasm: &[u8]) -> ModuleInfo {
    ModuleInfo {
        digest: digest_of(wasm),
        name: "email".into(),
        version: Some("1.2".into()),
        size: wasm.len() as u64,
        wit: "0.1.0".into(),
        imports: vec!["gristmill:job/log@0.1.0".into()],
        by: "me".into(),
        at_ms: 7,
        schema: None,
        signatures: Vec::new(),
    }
}

/// Bytes that do not repeat, so that they compress little.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn one_chunk(bytes: &[u8]) -> Vec<u8> {
    chunks(bytes, Compression::default()).next().unwrap()
}

async fn open() -> (PrivateRedis, Connection) {
    let server = PrivateRedis::start().await.unwrap();
    let (connection, _) = Connection::open(&server.url()).await.unwrap();
    (server, connection)
}

#[tokio::test]
async fn a_module_comes_back_as_it_went() {
    let (_server, connection) = open().await;
    for size in [1, CHUNK, CHUNK + 1, 3 * CHUNK - 1] {
        let wasm = bytes(size);
        let info = info(&wasm);
        let mut steps = 0;
        connection.put_module(&info, &wasm, |_| steps += 1).await.unwrap();
        assert_eq!(steps, size.div_ceil(CHUNK));
        assert_eq!(connection.module(&info.digest).await.unwrap(), (info.clone(), wasm));
        assert_eq!(connection.modules().await.unwrap()[&info.digest], info);
        assert_eq!(connection.call(redis::cmd("PTTL").arg(key(&info.digest))).await.unwrap(), Value::Int(-1));
    }
}

#[tokio::test]
async fn bytes_that_are_not_the_digests_are_refused() {
    let (_server, connection) = open().await;
    let info = info(b"one");
    let error = connection.put_module(&info, b"two", |_| {}).await.unwrap_err();
    assert!(matches!(error, ModuleStoreError::Digest { .. }), "{error}");
    assert!(matches!(connection.module(&info.digest).await, Err(ModuleStoreError::Missing(_))));
}

/// An upload that ends in the middle is nothing, and Redis forgets it.
#[tokio::test]
async fn a_truncated_upload_is_no_module() {
    let (_server, connection) = open().await;
    let wasm = bytes(2 * CHUNK);
    let info = info(&wasm);
    let mut call = PUT_CHUNK
        .call_on(&key(&info.digest))
        .arg(0)
        .arg(one_chunk(&wasm[..CHUNK]))
        .arg(1_000)
        .send(&connection)
        .await;
    assert_eq!(call.as_mut().unwrap(), &Value::Int(1));
    assert!(matches!(connection.module(&info.digest).await, Err(ModuleStoreError::Missing(_))));
    assert!(connection.modules().await.unwrap().is_empty());
    let Value::Int(ttl) = connection.call(redis::cmd("PTTL").arg(key(&info.digest))).await.unwrap() else {
        panic!()
    };
    assert!((1..=1_000).contains(&ttl));
    connection.put_module(&info, &wasm, |_| {}).await.unwrap();
    assert_eq!(connection.module(&info.digest).await.unwrap().1, wasm);
}

#[rstest::rstest]
#[case("missing", "HDEL", &["1"])]
#[case("decompressed", "HSET", &["1", "nonsense"])]
#[case("not those that were put there", "HSET", &["1", ""])]
#[case("cannot be read", "HSET", &["info", "{}"])]
#[tokio::test]
async fn damage_is_seen_and_mended_by_another_push(
    #[case] what: &str,
    #[case] command: &str,
    #[case] arguments: &[&str],
) {
    let (_server, connection) = open().await;
    let wasm = bytes(CHUNK + 9);
    let info = info(&wasm);
    connection.put_module(&info, &wasm, |_| {}).await.unwrap();
    let mut command = redis::cmd(command);
    command.arg(key(&info.digest)).arg(arguments[0]);
    match arguments.get(1) {
        // A whole chunk, and not the one that was there.
        Some(&"") => command.arg(one_chunk(&bytes(9)[..8])),
        Some(text) => command.arg(text),
        None => &mut command,
    };
    connection.call(&command).await.unwrap();
    let error = connection.module(&info.digest).await.unwrap_err();
    assert!(matches!(error, ModuleStoreError::Damaged { .. }) && error.to_string().contains(what), "{error}");
    connection.put_module(&info, &wasm, |_| {}).await.unwrap();
    assert_eq!(connection.module(&info.digest).await.unwrap().1, wasm);
}

#[tokio::test]
async fn two_pushes_of_one_module_at_a_time_are_one() {
    let (_server, connection) = open().await;
    let wasm = bytes(4 * CHUNK);
    let info = info(&wasm);
    let push = || connection.put_module(&info, &wasm, |_| {});
    let (a, b, c) = tokio::join!(push(), push(), push());
    for pushed in [a, b, c] {
        pushed.unwrap();
    }
    // A damaged one that all of them mend at once.
    let damage = redis::cmd("HSET").arg(key(&info.digest)).arg("2").arg("nonsense").to_owned();
    connection.call(&damage).await.unwrap();
    let (a, b, c) = tokio::join!(push(), push(), push());
    for pushed in [a, b, c] {
        pushed.unwrap();
    }
    assert_eq!(connection.module(&info.digest).await.unwrap().1, wasm);
    connection.remove_module(&info.digest).await.unwrap();
    assert!(connection.modules().await.unwrap().is_empty());
}
