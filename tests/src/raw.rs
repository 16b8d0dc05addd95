//! Requests that no decent client would send.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends bytes as they are and returns what comes back until the gateway closes the connection.
///
/// # Panics
/// Where the gateway cannot be reached.
pub async fn raw(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    // A gateway that has read enough to refuse may close before it was told everything.
    let _ = stream.write_all(request.as_ref()).await;
    rest(stream).await
}

/// Sends bytes as they are, says that nothing more comes, and returns what comes back.
///
/// # Panics
/// Where the gateway cannot be reached.
pub async fn truncated(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    stream
        .write_all(request.as_ref())
        .await
        .expect("the gateway takes the request");
    stream.shutdown().await.expect("the connection can be half closed");
    rest(stream).await
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset after the answer still brought the answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
