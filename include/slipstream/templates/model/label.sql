-- Minutes until the next row of the same {{entity}}, known when that row is known; without a next row, no label.
SELECT
    {{key}},
    date_diff('second', event_time, lead(event_time) OVER following) / 60.0::DOUBLE AS label,
    lead(known_at) OVER following AS known_at
FROM {{source}}
WINDOW following AS (PARTITION BY {{entity}} ORDER BY event_time, {{key}})
QUALIFY label IS NOT NULL
