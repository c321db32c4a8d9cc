-- Each row of {{source}} is predicted at the moment it becomes known.
SELECT {{columns}}, known_at AS prediction_time
FROM {{source}}
WHERE known_at >= $interval_start AND known_at < $interval_end
