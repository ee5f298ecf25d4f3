//! Hostile HTTP: requests to the agent, and answers of a fake agent.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gdoi_core::{Limits as Bounds, Tracker};
use gdoi_monitor::client::{Address, Client, Event, Group, Member, SpiUse, path};
use gdoi_monitor::engine::{DiagnosisView, Request, State};
use gdoi_monitor::http::web::Web;
use gdoi_monitor::http::{self, Limits, Server};
use gdoi_monitor::sink::{EventSink, Tally};
use gdoi_monitor::time::Calendar;
use gdoi_sim::{Observer, Simulation, scenario};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(10);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";

/// Octets sent to the agent's pages, which have a group or two. A client that has sent everything gets answers, and
/// an end.
///
/// # Panics
///
/// If the answer is not HTTP, or does not end.
pub fn pages(octets: &[u8]) {
    static PLACE: LazyLock<io::Result<Place>> = LazyLock::new(Place::open);
    let Ok(place) = &*PLACE else { return };
    // In the server's runtime, too: between threads, each octet would wait for a context switch.
    let (address, octets) = (place.address, octets.to_vec());
    let asking = place
        .runtime
        .spawn(async move { timeout(WAIT, ask(address, octets)).await });
    let answer = place.runtime.block_on(asking);
    assert!(matches!(answer, Ok(Ok(_))), "no end");
    if let Ok(Ok(Ok(answer))) = answer {
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{}",
            answer.escape_ascii()
        );
    }
}

/// An answer to the client of `show` and `top`: only the body if the first octet is even, else head and body.
pub fn client(octets: &[u8]) {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(runtime);
    let (Ok(runtime), [shape, answer @ ..]) = (&*RUNTIME, octets) else {
        return;
    };
    let whole = match shape % 2 {
        0 => [HEAD, answer].concat(),
        _ => answer.to_vec(),
    };
    // An error is a valid result.
    drop(runtime.block_on(asked(whole)));
}

/// Queries an agent that answers `whole` to any request.
async fn asked(whole: Vec<u8>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let Ok(address) = format!("http://{}", listener.local_addr()?).parse::<Address>() else {
        return Ok(());
    };
    let Ok(mut client) = Client::new(address, None, None, WAIT) else {
        return Ok(());
    };
    let said = async {
        let (mut stream, _) = listener.accept().await?;
        stream.set_zero_linger()?;
        stream.read_buf(&mut Vec::with_capacity(1024)).await?;
        stream.write_all(&whole).await?;
        // The client hangs up, or has read to the end.
        stream.shutdown().await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    let heard = async {
        let answer = client.page(path::GROUPS).await;
        if let Ok(answer) = answer {
            std::hint::black_box(read(&client, &answer.body));
        }
        // The client hangs up.
        drop(client);
    };
    let (said, ()) = tokio::join!(timeout(WAIT, said), heard);
    said??;
    Ok(())
}

/// Parses a body as each type of answer.
fn read(client: &Client, body: &[u8]) -> usize {
    let groups = client.parse::<Vec<Group>>(path::GROUPS, body);
    let members = client.parse::<Vec<Member>>(path::MEMBERS, body);
    let spis = client.parse::<Vec<SpiUse>>(path::SPIS, body);
    let events = client.parse::<Vec<Event>>(path::EVENTS, body);
    let words = events.iter().flatten().flat_map(Event::words);
    let ends = members.iter().flatten().map(Member::endpoint);
    groups.iter().len() + spis.iter().len() + words.count() + ends.count()
}

/// Sends octets, and reads the answer to its end.
async fn ask(address: SocketAddr, octets: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // Otherwise thousands of connections per second would stay in TIME_WAIT.
    stream.set_zero_linger()?;
    stream.write_all(&octets).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// A server of pages.
struct Place {
    runtime: Runtime,
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Place {
    fn open() -> io::Result<Self> {
        let runtime = runtime()?;
        let (requests, asked) = mpsc::channel(16);
        let (stop, stopping) = watch::channel(false);
        let server = Arc::new(Server::new(requests, Arc::new(Web::plain()), Limits::default()));
        // The listener belongs to this runtime.
        let _here = runtime.enter();
        let bound = http::bind((Ipv4Addr::LOCALHOST, 0).into());
        let listener = TcpListener::from_std(bound.map_err(io::Error::other)?)?;
        let address = listener.local_addr()?;
        runtime.spawn(engine(asked, Arc::new(known())));
        runtime.spawn(http::serve(listener, server, stopping));
        Ok(Self {
            runtime,
            address,
            _stop: stop,
        })
    }
}

/// An engine with a constant state.
async fn engine(mut asked: mpsc::Receiver<Request>, state: Arc<State>) {
    while let Some(request) = asked.recv().await {
        // The requester may be gone.
        drop(request.reply.send(Arc::clone(&state)));
    }
}

/// The state of an agent after a scenario.
fn known() -> State {
    let mut tracker = Tracker::new(gdoi_core::Config::default(), Bounds::default());
    let mut events = EventSink::nowhere(Calendar::EPOCH);
    let mut out = Vec::new();
    if let Ok(scenario) = scenario::named("demo")
        && let Ok(mut simulation) = Simulation::new(&scenario, Some(4))
    {
        Observer::new(Duration::from_mins(1), true).watch(&mut simulation, &mut tracker, &mut out);
    }
    events.write(&mut out);
    State {
        now: gdoi_core::Timestamp::ZERO,
        calendar: Calendar::EPOCH,
        captures: Vec::new(),
        unread_records: 0,
        tally: Tally::default(),
        events: events.counts(),
        recent: events.recent(),
        snapshot: tracker.snapshot(),
        diagnosis: DiagnosisView::default(),
    }
}

fn runtime() -> io::Result<Runtime> {
    // Long answers are made in a blocking section, which needs a second thread.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}
