use crate::client::Group;
use crate::client::samples::{GROUPS, NOW};

const SHOWN: &str = "\
GROUP      TRANSPORT  MEMBERS  KEY SERVER  REKEYS  LAST  NEXT IN  KEK LEFT  STATE
G1         multicast  2        10.1.11.2   5       35s   8m40s    18m29s    10.1.12.2 silent, 1 site late
<b>␛[2J�X  -          0        -           0       -     -        -         nothing seen
";

#[test]
fn groups_in_a_line_each() {
    let groups: Vec<Group> = serde_json::from_str(GROUPS).unwrap();
    let now = NOW.parse().unwrap();
    assert_eq!(super::text(&groups, now), SHOWN);
}
