-- What happened before the service first ran is no news: nobody is written to about it.
CREATE TABLE notice_beginning (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO notice_beginning DEFAULT VALUES;

-- As the topics last had them. `waived`: department → checks that the newest attempt left out.
CREATE TABLE known_case (
    student_id text PRIMARY KEY,
    version integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'open',
    case_number integer NOT NULL DEFAULT 1,
    waived jsonb NOT NULL DEFAULT '{}'
);

-- `states`: check → the last state that was not unknown.
CREATE TABLE known_line (
    student_id text NOT NULL,
    department text NOT NULL,
    version integer NOT NULL,
    states jsonb NOT NULL,
    PRIMARY KEY (student_id, department)
);

-- Something a student is to know. Its id is made of what happened, so that it is here once however often it is read.
CREATE TABLE occasion (
    occasion_id uuid PRIMARY KEY,
    student_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    number integer NOT NULL,
    before text NOT NULL DEFAULT '',
    after text NOT NULL DEFAULT '',
    noted_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    collected_at timestamptz
);
CREATE INDEX occasion_due ON occasion (due_at) WHERE collected_at IS NULL;
CREATE INDEX occasion_of_student ON occasion (student_id);
CREATE INDEX occasion_noted ON occasion (noted_at);

-- The outbox of the senders: occasions of one student for one channel. The text is made when it is sent.
CREATE TABLE notice (
    notice_id uuid PRIMARY KEY,
    student_id text NOT NULL,
    channel text NOT NULL,
    occasions uuid[] NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead', 'dropped')),
    tries integer NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    cause text
);
CREATE INDEX notice_due ON notice (channel, due_at) WHERE state = 'waiting';
CREATE INDEX notice_dead ON notice (channel) WHERE state = 'dead';
CREATE INDEX notice_of_student ON notice (student_id);

-- An occasion is sent once by a channel. Also from the service's own topic, for a database that was restored.
CREATE TABLE sent_occasion (
    occasion_id uuid NOT NULL,
    channel text NOT NULL,
    student_id text NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (occasion_id, channel)
);
CREATE INDEX sent_occasion_of_student ON sent_occasion (student_id);
CREATE INDEX sent_occasion_at ON sent_occasion (sent_at);

-- `own`: given by the student, which no file replaces. `muted`: channels the student does not want.
CREATE TABLE contact (
    student_id text PRIMARY KEY,
    mail text,
    wecom text,
    dingtalk text,
    language text NOT NULL DEFAULT 'zh',
    muted text[] NOT NULL DEFAULT '{}',
    own boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL DEFAULT now()
);
