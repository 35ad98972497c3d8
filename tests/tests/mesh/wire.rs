//! HTTP/1.1 as it is written, where a client would not write it so.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::servers::Server;

/// What a server answers to these bytes: to its last one where the request says `connection: close`, and else to the end
/// of its head.
pub(crate) async fn exchange(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.origin().replace("http://", "")).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let closes = request.contains("connection: close\r\n");
    let mut answer = Vec::new();
    while closes || !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await.expect("answered") == 0 {
            break;
        }
    }
    String::from_utf8(answer).expect("text")
}
