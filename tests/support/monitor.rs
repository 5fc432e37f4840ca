//! A stand-in for healthchecks.io: keeps what it is told, in order.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "each test file uses it as a module of its own"
)]

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

#[derive(Default)]
struct Heard {
    /// Method, path and body of each request.
    pings: Vec<String>,
    /// The statuses of the next answers; 200 after them, and 0 for none at all.
    statuses: Vec<u16>,
}

/// The monitor; its threads end with the test.
pub struct Monitor {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

impl Monitor {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let shared = heard.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let heard = shared.clone();
                thread::spawn(move || serve(&connection, &heard));
            }
        });
        Self { address, heard }
    }

    /// The address of a check whose name is a secret.
    pub fn url(&self, check: &str) -> String {
        format!("http://{}/ping/{check}", self.address)
    }

    /// What the next answers are: 0 for none.
    pub fn answer(&self, statuses: &[u16]) {
        self.heard().statuses = statuses.to_vec();
    }

    /// What it was told of one check, without the address.
    pub fn pings(&self, check: &str) -> Vec<String> {
        let of = format!("/ping/{check}");
        let heard = self.heard();
        let of_check = heard.pings.iter().filter(|ping| ping.contains(&of));
        of_check.map(|ping| ping.replacen(&of, "", 1)).collect()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }
}

fn serve(mut connection: &TcpStream, heard: &Mutex<Heard>) {
    let mut reader = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let line = line.trim_end().trim_end_matches(" HTTP/1.1");
        let body = String::from_utf8(body).unwrap();
        let status = {
            let mut heard = heard.lock().unwrap();
            heard
                .pings
                .push(format!("{line} {body}").trim_end().to_owned());
            let planned = !heard.statuses.is_empty();
            if planned {
                heard.statuses.remove(0)
            } else {
                200
            }
        };
        if status == 0 {
            // Longer than any test waits.
            thread::sleep(Duration::from_secs(600));
            return;
        }
        let reply = format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\nOK");
        if connection.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}
