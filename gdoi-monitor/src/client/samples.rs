//! Sample answers of an agent, for tests.

/// Their time.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

/// One group with every value, and one with none and a hostile name.
pub(crate) const GROUPS: &str = r#"[
{"name":"G1","configured":true,"transport":"multicast","rekey_address":"239.0.1.2","members":2,
 "key_servers":[
  {"address":"10.1.11.2","up":true,"last_seen":"2026-03-01T11:59:25Z","pushes":true,
   "completed":{"initial":2,"re_registration":1},"failed":{"initial":1,"re_registration":0},"failed_at":{"mm1":1},
   "rekeys":{"kek":1,"tek":4},"rekey_messages":15,"behavior":"new"},
  {"address":"10.1.12.2","up":false,"last_seen":null,"pushes":false,"completed":{},"failed":{},"failed_at":{},
   "rekeys":{},"rekey_messages":0,"behavior":null}],
 "messages":{"groupkey_pull":12,"groupkey_push":15,"main_mode":18},"retransmissions":{"groupkey_push":10},
 "registration":{"duration":{"count":3,"mean_seconds":0.2505},"in_progress":1,"burst_active":false,"bursts":1,
  "burst_members":2,"double":1},
 "rekey":{"retransmissions":10,"acknowledgements":0,"unacknowledged_members":null,"recipients":1,
  "duration":{"count":5,"mean_seconds":20.0},"last":"2026-03-01T11:59:25Z","next_expected":"2026-03-01T12:08:40Z",
  "overdue":false},
 "kek":{"cookies":"eeb0e9a2bbd4c71af1034f6b24eb8022","changes":1,"start":"2026-03-01T11:48:29Z",
  "expiry":"2026-03-01T12:18:29Z","lifetime_seconds":1800.0,"lifetime_source":"learned","lead_seconds":225.4,
  "over_age":false,"expired":false,"split":false,
  "re_registration_window":["2026-03-01T12:16:53Z","2026-03-01T12:17:29Z"],"chain":[]},
 "esp":{"packets":9000,"octets":1200000,"active":2,"changes":3,"rollover":{"count":3,"mean_seconds":31.25},
  "stale_packets":7,"lagging_sites":1,"tek_lifetime_seconds":600.0}},
{"name":"<b>\u001b[2J\u202eX","configured":false,"transport":null,"rekey_address":null,"members":0,"key_servers":[],
 "messages":{},"retransmissions":{},
 "registration":{"duration":{"count":0,"mean_seconds":null},"in_progress":0,"burst_active":false,"bursts":0,
  "burst_members":0,"double":0},
 "rekey":{"retransmissions":0,"acknowledgements":0,"unacknowledged_members":null,"recipients":0,
  "duration":{"count":0,"mean_seconds":null},"last":null,"next_expected":null,"overdue":false},
 "kek":{"cookies":null,"changes":0,"start":null,"expiry":null,"lifetime_seconds":null,"lifetime_source":null,
  "lead_seconds":null,"over_age":false,"expired":false,"split":false,"re_registration_window":null,"chain":[]},
 "esp":{"packets":0,"octets":0,"active":0,"changes":0,"rollover":{"count":0,"mean_seconds":null},
  "stale_packets":0,"lagging_sites":0,"a_field_to_come":[1]}}
]"#;

/// Members of the first group.
pub(crate) const MEMBERS: &str = r#"[
{"address":"10.1.13.2:0","group":"G1","key_server":"10.1.11.2","first_seen":"2026-03-01T09:00:00Z",
 "last_seen":"2026-03-01T11:59:26Z","registered":"2026-03-01T11:00:00Z","registrations":2,"failures":0,
 "rekeyed":"2026-03-01T11:59:25Z","acknowledged":null,"unacknowledged":null},
{"address":"[2001:db8::14]:1848","group":"G1","key_server":null,"first_seen":"2026-03-01T11:59:57Z",
 "last_seen":"2026-03-01T11:59:58Z","registered":null,"registrations":0,"failures":3,
 "rekeyed":null,"acknowledged":null,"unacknowledged":null}
]"#;

/// TEKs of the first group.
pub(crate) const SPIS: &str = r#"[
{"spi":"9afb374a","site":"branch-13","group":"G1","status":"stale","replaces":null,"packets":4000,"octets":500000,
 "first_seen":"2026-03-01T11:51:00Z","last_seen":"2026-03-01T11:59:59Z"},
{"spi":"9cae4c22","site":"branch-13","group":"G1","status":"active","replaces":"9afb374a","packets":3000,
 "octets":400000,"first_seen":"2026-03-01T11:59:30Z","last_seen":"2026-03-01T11:59:59.5Z"},
{"spi":"9cae4c22","site":"branch-14","group":"G1","status":"active","replaces":"9afb374a","packets":2000,
 "octets":300000,"first_seen":"2026-03-01T11:59:31Z","last_seen":"2026-03-01T11:59:59.5Z"}
]"#;

/// Events of the first group, oldest first.
pub(crate) const EVENTS: &str = r#"[
{"time":"2026-03-01T11:48:29.000000001Z","type":"rekey","severity":"info","group":"G1","key_server":"10.1.11.2",
 "kind":"kek","evidence":"last_of_chain","transport":"multicast","recipients":1,"retransmissions":2,
 "acknowledged":null,"duration_seconds":20.0001,"cookies":"00","length":300,"began_seconds_ago":20.0},
{"time":"2026-03-01T11:51:00Z","type":"spi_first_seen","severity":"info","group":"G1","spi":"9afb374a","site":null},
{"time":"2026-03-01T11:55:00Z","type":"registration_failed","severity":"warning","group":"G1",
 "key_server":"10.1.11.2","member":"10.1.13.2","stage":"mm1","duration_seconds":30.5},
{"time":"2026-03-01T11:59:25Z","type":"rekey","severity":"info","group":"G1","key_server":"10.1.11.2","kind":"tek"},
{"time":"2026-03-01T11:59:40Z","type":"kek_expired","severity":"critical","group":"G1","note":"\u001b]0;evil\u0007"}
]"#;

/// The body of `/-/ready` when one of two interfaces is missing.
pub(crate) const READY: &str = r#"{"ready":false,"interfaces":[
{"name":"eth0","direction":"ingress","watched":true,"mode":"xdp","reason":null,"blind_spots":["hardware_offload"]},
{"name":"ppp0","direction":"ingress","watched":false,"mode":null,"reason":"no such interface","blind_spots":[]}],
"checks":[{"name":"web_config","ok":true,"reason":null}]}"#;

/// An incident, as the API has it.
pub(crate) const INCIDENTS: &str = r#"[{
    "id": 1, "cause": "key_server_down", "title": "The key server is down or cut off", "severity": "critical",
    "certainty": "certain", "group": "G1", "key_server": "10.1.11.2",
    "members": {"count": 2, "of": null, "list": ["10.1.13.2", "10.1.14.2"]},
    "began": "2026-03-01T11:48:29Z", "latest": "2026-03-01T11:49:29Z", "ended": null,
    "summary": "Key server 10.1.11.2 answered nobody for 74 s: 2 members gave up.",
    "evidence": [{"event": "key_server_silent", "time": "2026-03-01T11:49:29Z", "key_server": "10.1.11.2",
        "member": null, "frames": []}],
    "more_evidence": 0, "against": ["Somebody may have changed a lifetime."],
    "considered": [{"cause": "capture_incomplete", "why_not": "nothing was lost in that time"}],
    "effects": {"key_server_silent": 1, "registration_failed": 3},
    "next": [{"where": "key server 10.1.11.2", "command": "show crypto gdoi ks members",
        "look_for": "whether the process runs"}],
    "parent": null
}]"#;
