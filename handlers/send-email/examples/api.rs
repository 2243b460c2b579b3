//! An e-mail API on 127.0.0.1:8025 that accepts every e-mail, shows it, and sends nothing.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{TcpListener, TcpStream};

const ADDRESS: &str = "127.0.0.1:8025";
/// Bytes of an e-mail.
const MAX_BODY: usize = 16 << 20;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to its user")]
fn main() -> Result<()> {
    let listener = TcpListener::bind(ADDRESS)
        .map_err(|error| Error::new(error.kind(), format!("cannot listen on {ADDRESS}: {error}")))?;
    eprintln!("POST e-mails to http://{ADDRESS}/emails; Ctrl-C ends");
    for (number, stream) in (1..).zip(listener.incoming()) {
        match stream.and_then(|stream| answer(stream, number)) {
            Ok(mail) => println!("{mail}"),
            Err(error) => eprintln!("a request was cut short: {error}"),
        }
    }
    Ok(())
}

/// Reads one request, answers it, and gives its body.
fn answer(mut stream: TcpStream, number: u32) -> Result<String> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut body = vec![0; length(&mut reader)?.min(MAX_BODY)];
    reader.read_exact(&mut body)?;
    let answer = format!("{{\"id\":\"mail-{number}\"}}");
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// What the head says of the body's length. The handler always says it.
fn length(reader: &mut impl BufRead) -> Result<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(length);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
}
