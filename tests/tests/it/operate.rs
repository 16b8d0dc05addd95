//! Health, metrics, starting and stopping.

use portolan::{
    app::{App, AppError},
    config::{Config, Overrides},
};
use portolan_tests::{TestGateway, digest};

fn overrides(data: &std::path::Path) -> Overrides {
    Overrides {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        data: Some(data.to_owned()),
        plugins: None,
    }
}

async fn refused(overrides: Overrides) -> AppError {
    App::start(Config::from_text("", overrides).unwrap())
        .await
        .err()
        .expect("the gateway must not start")
}

#[tokio::test]
async fn it_says_that_it_is_alive_and_ready() {
    let gateway = TestGateway::start().await;
    assert_eq!(gateway.get("/healthz").await.expect(200).json()["status"], "ok");
    assert_eq!(gateway.get("/readyz").await.expect(200).json()["status"], "ready");
    let _ = gateway.get("/v2/").await.expect(200);
    let _ = gateway.get("/v2").await.expect(200);
    assert!(gateway.get("/").await.expect(200).text().contains("/v2/_portolan/types"));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let gateway = TestGateway::start().await;
    let _ = gateway.get(&format!("/v2/a/blobs/{}", digest("x"))).await.expect(404);
    let text = gateway.get("/metrics").await.expect(200).text();
    let counted = text
        .lines()
        .find(|line| line.starts_with("portolan_http_requests_total") && line.contains("status=\"404\""))
        .expect("a counter");
    assert!(
        counted.contains("method=\"GET\"") && counted.contains("route=\"blob\"") && counted.ends_with(" 1"),
        "{counted}"
    );
    assert!(text.ends_with("# EOF\n") && text.contains("portolan_http_request_seconds_bucket"));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let gateway = TestGateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let error = refused(Overrides {
        listen: Some(gateway.address()),
        ..overrides(folder.path())
    })
    .await
    .to_string();
    assert!(
        error.contains(&gateway.address().to_string()) && error.contains("in use") && error.contains("--listen"),
        "{error}"
    );
}

#[tokio::test]
async fn a_data_folder_is_used_by_one_gateway_and_has_to_be_usable() {
    let gateway = TestGateway::start().await;
    let error = refused(overrides(gateway.data())).await.to_string();
    assert!(
        error.contains("in use by another gateway") && error.contains("--data"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Config::from_text("", overrides(&file.join("data"))).unwrap_err().to_string();
    assert!(error.contains("file/data") && error.contains("--data"), "{error}");
}

#[tokio::test]
async fn data_of_a_newer_gateway_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(Config::from_text("", overrides(folder.path())).unwrap())
        .await
        .unwrap();
    app.stop().await;
    let database = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let database = database
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "sqlite"))
        .expect("a database");
    // The schema version of SQLite is a big-endian number at byte 60 of the file.
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&1_000_000_u32.to_be_bytes());
    std::fs::write(&database, &bytes).unwrap();
    let error = refused(overrides(folder.path())).await.to_string();
    assert!(error.contains("schema version 1000000") && error.contains("newer"), "{error}");
    assert_eq!(std::fs::read(&database).unwrap(), bytes);
}

#[tokio::test]
async fn stopping_lets_a_running_upload_finish() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(Config::from_text("", overrides(folder.path())).unwrap())
        .await
        .unwrap();
    let address = app.address();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Result<&str, std::io::Error>>();
    let body = reqwest::Body::wrap_stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    }));
    sender.send(Ok("abc")).unwrap();
    let upload = tokio::spawn(async move {
        let url = format!("http://{address}/v2/a/blobs/uploads/?digest={}", digest("abcdef"));
        reqwest::Client::new()
            .post(url)
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    });
    // The upload runs once the gateway has counted its connection as one that it waits for: when a second request is answered.
    let _ = reqwest::get(format!("http://{address}/healthz")).await.unwrap();
    let stop = tokio::spawn(app.stop());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    sender.send(Ok("def")).unwrap();
    drop(sender);
    assert_eq!(upload.await.unwrap(), 201);
    stop.await.unwrap();
}
