//! Places of upload sessions: how many there are, who gives one up for whom, and what needs none.

use std::net::IpAddr;

use portolan_tests::{TestGateway, digest};

async fn begin(gateway: &TestGateway) -> String {
    let answer = gateway.send("POST", "/v2/a/blobs/uploads/", &[], "").await;
    answer.expect(202).location()
}

#[tokio::test]
async fn too_many_sessions_are_refused_with_a_time_to_come_back() {
    let gateway = TestGateway::with_config("[registry]\nuploads_max = 2\nupload_empty_max = \"7m\"\n").await;
    // Sessions without bytes take no place.
    let locations: Vec<String> = futures_util::future::join_all((0..20).map(|_| begin(&gateway))).await;
    for location in &locations[..2] {
        let _ = gateway.send("PATCH", location, &[], "abc").await.expect(202);
    }
    let answer = gateway.send("PATCH", &locations[2], &[], "abc").await.expect(429);
    // By then one of the two may have paused for so long that it makes room.
    let after: u64 = answer.header("retry-after").parse().unwrap();
    assert!((400..=421).contains(&after), "{after}");
    answer.expect_error(429, "TOOMANYREQUESTS", "too many uploads");
    // What comes in one piece needs no place.
    let whole = begin(&gateway).await;
    let _ = gateway
        .send("PUT", &format!("{whole}?digest={}", digest("abc")), &[], "abc")
        .await
        .expect(201);
    // Whoever asks from elsewhere gets a place at once of whoever holds both.
    let elsewhere = reqwest::Client::builder()
        .local_address(IpAddr::from([127, 0, 0, 2]))
        .build()
        .unwrap();
    let other = format!("http://{}{}", gateway.address(), begin(&gateway).await);
    let answer = elsewhere.patch(other).body("abc").send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let mut left = Vec::new();
    for location in &locations[..2] {
        left.push(gateway.get(location).await.status);
    }
    left.sort_unstable();
    assert_eq!(left, [204, 404]);
    for location in &locations[..2] {
        drop(gateway.delete(location).await);
    }
    let _ = gateway.send("PATCH", &locations[2], &[], "abc").await.expect(202);
}
