-- `--text title`: the title alone.
SELECT q.id AS question_id, coalesce(q.title, '') AS text
FROM {questions} q
